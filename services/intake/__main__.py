"""Run intake: `python -m services.intake`."""

from services.intake.settings import Settings
from services.intake.wiring import make_app
from shared.http.server import serve

if __name__ == "__main__":
    settings = Settings()
    serve(make_app(settings), settings.host, settings.port)
