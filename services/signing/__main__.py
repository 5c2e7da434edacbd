"""Run signing: `python -m services.signing`."""

from services.signing.settings import Settings
from services.signing.wiring import make_app
from shared.http.server import serve

if __name__ == "__main__":
    settings = Settings()
    serve(make_app(settings), settings.host, settings.port)
