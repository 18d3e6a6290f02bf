"""`python -m bench [NAME] [--quick]`: measures ours against its peers; without a name, says which there are.

A ratio is ours over theirs of work per second: above 1 is better. The last line is JSON. With --quick and no name, all
run one after the other.
"""

import argparse
import importlib

NAMES = {
    "api": "reads and writes through the gateway against classic Nameko and FastAPI; the service against bare grpc.aio",
    "events": "events to their effect against bare kombu consumers; from an approval to another service's view",
    "portal": "pages of the portal against the RPC behind each, and what comes over the wire",
    "journeys": "many who register or accept at once against bare MongoDB; suggestions and searches of growing data",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measures ours against its peers, in one run.")
    parser.add_argument("name", nargs="?", choices=NAMES, help="which one; without it, they are listed")
    parser.add_argument("--quick", action="store_true", help="a rougher answer, in a minute or so")
    arguments = parser.parse_args()
    if not arguments.name and not arguments.quick:
        for name, measures in NAMES.items():
            print(f"{name:8} {measures}")
        return
    for name in [arguments.name] if arguments.name else NAMES:
        importlib.import_module(f"bench.{name}").main(quick=arguments.quick)


if __name__ == "__main__":
    main()
