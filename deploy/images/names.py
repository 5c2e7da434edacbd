"""The names of the images that are built here, by the variables of `deploy/compose.yaml`."""

BASE = "qyzmet/debian:local"
PYTHON = "qyzmet/python:local"
BUILD = "qyzmet/build:local"
IMAGES = {
    "QYZMET_IMAGE": "qyzmet/qyzmet:local",
    "QYZMET_POSTGRES_IMAGE": "qyzmet/postgres:local",
    "QYZMET_KAFKA_IMAGE": "qyzmet/kafka:local",
    "QYZMET_EDGE_IMAGE": "qyzmet/caddy:local",
    "QYZMET_PROMETHEUS_IMAGE": "qyzmet/prometheus:local",
    "QYZMET_COLLECTOR_IMAGE": "qyzmet/collector:local",
}
