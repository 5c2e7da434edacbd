"""How the system is brought up: without Docker (local), with Docker (compose.yaml)."""
