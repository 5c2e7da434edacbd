"""Who may do what in Kafka and Postgres: one table, and the code that makes it so."""
