"""Run routing: `python -m services.routing`."""

from services.routing.settings import Settings
from services.routing.wiring import make_app
from shared.http.server import serve

if __name__ == "__main__":
    settings = Settings()
    serve(make_app(settings), settings.host, settings.port)
