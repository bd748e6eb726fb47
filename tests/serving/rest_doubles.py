"""A clock that stands, and who answers questions in tests of the doors."""

from dataclasses import dataclass

from app.inquiries import Inquiry, Question, State, TooManyInquiries


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands."""

    now_s: float = 1_700_000_015.0

    def now(self) -> float:
        return self.now_s

    def real_seconds(self, seconds: float) -> float:
        return seconds


class NoInquiries:
    """Nobody answers questions."""

    def ask(self, question: Question) -> Inquiry:
        raise TooManyInquiries("nobody answers here")

    def find(self, identity: str) -> Inquiry | None:
        return None


class ScriptedInquiries:
    """Keeps what is asked; a test says with `state`, `answer`, `text` how far everything is."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.state, self.progress, self.answer, self.text = State.RUNNING, 0.5, None, ""

    def ask(self, question: Question) -> Inquiry:
        if question not in self.questions:
            self.questions.append(question)
        return self._inquiry(self.questions.index(question))

    def find(self, identity: str) -> Inquiry | None:
        return self._inquiry(int(identity)) if identity.isdigit() and int(identity) < len(self.questions) else None

    def _inquiry(self, place: int) -> Inquiry:
        scope = self.questions[place].scope
        return Inquiry(str(place), scope, self.state, self.progress, self.answer, self.text)
