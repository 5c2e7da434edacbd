"""What outsiders build on: OpenAPI, AsyncAPI and JSON Schemas, generated; and what may change."""
