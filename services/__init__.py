"""The services: five stages of the procedure, the casebook that reads, the desk that shows."""
