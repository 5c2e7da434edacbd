"""What one installation has of its own: certificates, passwords, the brokers' settings."""
