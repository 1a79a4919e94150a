"""`make kafka`: a broker for trials on loopback, until Ctrl-C.

python -m tests.broker [--port 9092]
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.broker.fetching import BrokerUnavailableError
from tests.broker.server import KafkaBroker


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.broker")
    parser.add_argument("--port", type=int, default=9092)
    port: int = parser.parse_args().port
    folder = Path(tempfile.mkdtemp(prefix="leadflow-broker-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    broker = None
    try:
        broker = KafkaBroker(folder, port=port)
        broker.start()
        _say(f"Kafka listens on {broker.address}. In another terminal:\n")
        _say(f"  export LEADFLOW_KAFKA={broker.address}\n  leadflow kafka topics create\n")
        _say("Ctrl-C stops it; what it holds is gone then.")
        signal.pause()
    except BrokerUnavailableError as error:
        sys.exit(f"no broker: {error}")
    except KeyboardInterrupt:
        pass
    finally:
        if broker is not None:
            broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
