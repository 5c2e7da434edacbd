"""The run without Docker: Postgres, Kafka and every service as plain processes on one machine."""
