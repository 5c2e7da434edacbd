"""The health check of a container: is the service in it ready? Exit 0, or 1.

What it prints the engine keeps with the check: `docker inspect` shows it.
"""

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
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode() + "\n")
        return int(answer.status != http.HTTPStatus.OK)
    except (OSError, http.client.HTTPException) as fault:
        sys.stdout.write(f"{fault!r}\n")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
