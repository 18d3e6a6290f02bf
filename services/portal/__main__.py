"""python -m services.portal http"""

from chassis import cli
from services.portal.config import Config


def http(config: Config) -> None:
    from services.portal.app import serve

    serve(config)


cli.main(Config, "portal", http=http)
