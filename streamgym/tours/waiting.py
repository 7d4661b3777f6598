"""Waiting for a state of the systems, with a deadline."""

from collections.abc import Callable

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamgym.errors import StreamgymError

SECONDS = 30.0


def wait_until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait until something holds, asking twenty times a second.

    Args:
        holds: whether it does by now.
        what: is waited for, in words.
        seconds: how long at most.

    Raises:
        StreamgymError: it does not hold in time.
    """
    asking = Retrying(
        retry=retry_if_result(lambda ok: not ok),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.05),
    )
    try:
        asking(holds)
    except RetryError:
        raise StreamgymError(
            f"{what}: this did not happen within {seconds:.0f} s. Run the notebook from the top"
        ) from None
