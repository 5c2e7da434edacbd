"""Run notify: `python -m services.notify`."""

from services.notify.settings import Settings
from services.notify.wiring import make_app
from shared.http.server import serve

if __name__ == "__main__":
    settings = Settings()
    serve(make_app(settings), settings.host, settings.port)
