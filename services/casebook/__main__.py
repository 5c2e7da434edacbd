"""Run casebook: `python -m services.casebook`."""

from services.casebook.settings import Settings
from services.casebook.wiring import make_app
from shared.http.server import serve

if __name__ == "__main__":
    settings = Settings()
    serve(make_app(settings), settings.host, settings.port)
