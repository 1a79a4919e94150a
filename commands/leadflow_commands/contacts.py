"""E-mail addresses and phone numbers, checked and written in their one normal form.

Nothing is looked up anywhere: what is checked is how they are written.
"""

from __future__ import annotations


def normal_email(text: str) -> str:
    """The address with its domain in lower case.

    Raises:
        ValueError: saying what is wrong with it.
    """
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(
            text.strip(), check_deliverability=False, test_environment=True
        ).normalized
    except EmailNotValidError as problem:
        raise ValueError(f"{text!r} is no e-mail address: {problem}") from None


def normal_phone(text: str, region: str | None = None) -> str:
    """The number as E.164, such as +4930123456.

    `region` (ISO 3166, such as DE) is where a number without a country code belongs.

    Raises:
        ValueError: saying what is wrong with it.
    """
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as problem:
        if problem.error_type == problem.TOO_SHORT_NSN:
            raise ValueError(f"{text!r} has too few digits for a phone number") from None
        hint = "" if text.strip().startswith("+") else "; write it with +, such as +49 30 123456"
        raise ValueError(f"{text!r} is no phone number{hint}") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError(f"{text!r} has too few or too many digits for a phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
