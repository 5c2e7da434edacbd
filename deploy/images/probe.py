"""The health check of a container: is the service in it ready? Exit 0, or 1."""

import http.client
import os
import sys

WAIT_S = 4.0


def main() -> int:
    """Ask the service of this container."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ["QYZMET_PORT"]), timeout=WAIT_S
    )
    try:
        connection.request("GET", "/health/ready")
        return int(connection.getresponse().status != http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
