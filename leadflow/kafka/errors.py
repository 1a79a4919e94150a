"""What can go wrong with Kafka, each as one sentence and the next step."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from leadflow.errors import InvalidInput, LeadflowError


class KafkaError(LeadflowError):
    """Kafka refused something, or did not answer."""

    code = "kafka_error"


class BrokerUnreachable(KafkaError):
    """No broker answers at the address given."""

    code = "broker_unreachable"


class BrokerTimeout(KafkaError):
    """A broker did not answer in time; whether it did what was asked is not known."""

    code = "broker_timeout"


class KafkaDenied(KafkaError):
    """The broker does not let us in, or does not allow this; or we do not trust it."""

    code = "kafka_denied"


class TopicMissing(KafkaError):
    """There is no topic of that name."""

    code = "topic_missing"


class MessageTooLarge(KafkaError):
    """A message is larger than the topic takes."""

    code = "message_too_large"


class ProducerFenced(KafkaError):
    """Another producer took over our transactional id, or our transaction took too long."""

    code = "producer_fenced"


class InvalidKafkaSettings(InvalidInput):
    """The connection to Kafka is not described, or not in a way that fits together."""

    code = "invalid_kafka_setting"


@contextmanager
def kafka_errors(what: str) -> Generator[None]:
    """Let errors of kafka-python leave the block as ours; `what` says what was being done."""
    from kafka import errors as theirs

    try:
        yield
    except theirs.KafkaError as error:
        raise translated(error, what) from error
    except OSError as error:
        raise BrokerUnreachable(f"{what}: {error}", hint=_REACH) from error


def translated(error: Exception, what: str) -> KafkaError:
    """An error of kafka-python as one of ours."""
    cause = _innermost(error)
    names = {kind.__name__ for kind in type(cause).__mro__}
    said = _said(cause)
    if "CERTIFICATE" in said.upper():
        names.add("SSLError")
    for theirs, ours, sentence, hint in _OURS:
        if names & theirs:
            return ours(f"{what}: {sentence.format(said)}", hint=hint)
    return KafkaError(f"{what}: {type(cause).__name__}: {said}")


_REACH: Final = "see that the broker runs and --brokers names it; `make kafka` starts one to try"

_OURS: Final[list[tuple[set[str], type[KafkaError], str, str]]] = [
    (
        {"AuthorizationError"},
        KafkaDenied,
        "the broker does not allow it ({})",
        "give the user the right to it, as by kafka-acls.sh --add",
    ),
    (
        {"SaslAuthenticationFailedError", "UnsupportedSaslMechanismError", "IllegalSaslStateError"},
        KafkaDenied,
        "the broker does not accept the user or the password ({})",
        "see LEADFLOW_KAFKA_USERNAME, LEADFLOW_KAFKA_PASSWORD_FILE and the mechanism",
    ),
    (
        {"SSLError"},
        KafkaDenied,
        "no TLS connection that both sides trust ({})",
        "LEADFLOW_KAFKA_CA_FILE names who signed the broker's certificate, "
        "LEADFLOW_KAFKA_CERT_FILE and _KEY_FILE our own",
    ),
    (
        {"UnknownTopicOrPartitionError"},
        TopicMissing,
        "there is no such topic",
        "`leadflow kafka topics create` makes the topics that leadflow uses",
    ),
    (
        {"MessageSizeTooLargeError", "RecordListTooLargeError"},
        MessageTooLarge,
        "{}",
        "raise the topic's max.message.bytes, or send less",
    ),
    (
        {
            "ProducerFencedError",
            "InvalidProducerEpochError",
            "InvalidProducerIdMappingError",
            "InvalidTxnStateError",
            "TransactionCoordinatorFencedError",
        },
        ProducerFenced,
        "{}",
        "start it again",
    ),
    ({"KafkaTimeoutError", "RequestTimedOutError"}, BrokerTimeout, "{}", _REACH),
    ({"KafkaConnectionError", "OSError"}, BrokerUnreachable, "{}", _REACH),
]
"""Names of kafka-python's errors, ours, our sentence about theirs, and the next step."""


def _innermost(error: BaseException) -> BaseException:
    """The error that says most: kafka-python wraps what went wrong in what it was doing."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = error.__cause__ or next(
            (one for one in error.args if isinstance(one, BaseException)), None
        )
        if inner is None:
            break
        error = inner
    return error


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text.rstrip(".") or type(error).__name__
