"""Run executor: `python -m services.executor`."""

from services.executor.settings import Settings
from services.executor.wiring import make_app
from shared.http.server import serve

if __name__ == "__main__":
    settings = Settings()
    serve(make_app(settings), settings.host, settings.port)
