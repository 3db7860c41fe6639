"""Words that a reader from another beamline stops at, and what stands for them in plain English."""

from __future__ import annotations

from typing import NamedTuple

from proselint import checks
from proselint.registry.checks import Check, CheckResult
from proselint.registry.checks.engine import Fancy
from proselint.registry.checks.types import ExistenceSimple

GENERAL = (
    "archaism", "malapropisms", "mixed_metaphors", "needless_variants", "nonwords", "oxymorons",
    "redundancy", "uncomparables", "weasel_words",
)  # fmt: skip
"""Checks of proselint that apply to technical texts as well."""
NOT_ARRIVING = (
    r"(?! (?:from|out|up|to|with|back|of|off|down|in|into|by|along|about|for|through|on|upon|first"
    r"|last|next|between|under|as|true|near|close)\b)"
)
"""Words after *come* with which it means something else than *arrive*."""


class Rule(NamedTuple):
    """`pattern`: a regular expression for words that are not used (a blank stands for any white
    space); `instead`: what is; `bad`: a sentence that it finds; `good`: one that it leaves."""

    name: str
    pattern: str
    instead: str
    bad: str
    good: str

    def check(self) -> Check:
        """The rule as proselint applies it."""
        pattern = self.pattern.replace(" ", r"\s+")
        return Check(
            ExistenceSimple(pattern), Fancy(), f"words.{self.name}", f"“{{}}”: {self.instead}"
        )


# fmt: off
RULES = (
    Rule(
        "where", r"(?<!NaN\s)(?<!\b0\s)(?<!grey\s)\bwhere (?:asked|needed|known|possible"
        r"|missing|given|there (?:is|are) (?:none|no)\b|(?:it|that|this"
        r"|one) (?:is|was) (?:not|none|taken|missing|unknown|damaged)\b"
        r"|none (?:is|was|are)|nothing (?:is|was|has))",
        "if, or when", "Shown, where it is not known, as a dash.",
        "The folder where recordings are written.",
    ),
    Rule(
        "go on", r"\b(?:go|goes|going|gone|went) on\b",
        "continue, resume", "The engine goes on with the recording.",
        "The engine resumes the recording.",
    ),
    Rule(
        "at first", r"\bat first\b",
        "by default, initially", "The mode is at first auto.",
        "The mode is auto by default.",
    ),
    Rule(
        "come", r"\b(?:has|have|had) (?:never |not |already )?come\b" + NOT_ARRIVING
        + r"|\b(?:does|do|did|can|could|may|might|will|would) (?:not |never "
        r"|still )?come\b" + NOT_ARRIVING
        + r"|(?<!how\s)\b(?:slices?|messages?|readings?|documents?|scans?|news|headers?"
        r"|answers?|repl(?:y|ies)|that|which|they|it|what|more|one|ones|others?|never"
        r"|nothing) (?:comes?|came)\b" + NOT_ARRIVING,
        "arrive, is received; missing", "No slice has come for 10 s, and those that came late "
        "did not count.",
        "The charge comes from the cycler.",
    ),
    Rule(
        "late", r"\bof late\b(?! [a-z]+s\b)",
        "recently", "Slices were received of late.",
        "Slices were received recently.",
    ),
    Rule(
        "seen", r"\b(?:is|are|be) seen\b(?! (?:from|by|for))",
        "visible", "At least 4 slices of each layer must be seen.",
        "The map is seen from above.",
    ),
    Rule(
        "told", r"\b(?:is|are|was|were|been|be|and|or) told\b(?! (?:apart|by|from|of))"
        r"|\btells? (?:whether|how|what|where|when|why|which|of)\b",
        "report", "Its end is told, and the line tells why.",
        "The two cannot be told apart.",
    ),
    Rule(
        "asker", r"\bfor who\b|\bwhoever asks\b|\bof wh(?:ich|om) (?:nothing|none)\b",
        "name the person, or turn the sentence round", "The oldest scans, of which nothing more "
        "arrives.",
        "Nothing more arrives of the oldest scans.",
    ),
    Rule(
        "metaphor", r"\b(?:despairs?|hopeless|fates?|pursuits?|deeds?|holed|leant"
        r"|happenings?|outlook|surprise[sd]?)\b",
        "the field's own noun: given up, state, action, forecast, innovation", "The scan is "
        "hopeless.",
        "The scan was given up.",
    ),
    Rule(
        "stand", r"\bstands? (?:in|at|there|on|beside|below|above|here|behind|still)\b",
        "is, has stopped", "The reason stands beside the scan.",
        "P50 stands for the median.",
    ),
    Rule(
        "anew", r"\banew\b",
        "again, a new one", "Begins anew.",
        "Begins again.",
    ),
    Rule(
        "break off", r"\b(?:breaks?|broke|broken|breaking) off\b",
        "was interrupted", "The recording broke off.",
        "The recording was interrupted.",
    ),
    Rule(
        "mend", r"\bmend(?:s|ed|ing)?\b",
        "repair", "Free some space or mend the disk.",
        "Free some space or repair the disk.",
    ),
    Rule(
        "all the same", r"\ball the same\b",
        "anyway", "Connected to all the same.",
        "Connected to anyway.",
    ),
    Rule(
        "not there", r"\b(?:is|are|was|were) not there\b",
        "missing, does not exist", "The file is not there.",
        "The file is missing.",
    ),
    Rule(
        "is no", r"(?<!there\s)\b(?:is|was) no (?!longer\b|more\b|later\b|such\b|other\b"
        r"|better\b|noise\b|one\b)\w+",
        "is not a", "The message is no map.",
        "There is no map, and the old one is no longer shown.",
    ),
    Rule(
        "whole", r"\b(?:is|are|was|were|not) whole\b(?! \w)",
        "complete", "No scan is whole.",
        "The whole map is shown.",
    ),
    Rule(
        "hear", r"\bheard?\b",
        "receive", "The start document was not heard.",
        "The start document was not received.",
    ),
    Rule(
        "hang up", r"\b(?:hung|hangs?|hanging) up\b",
        "disconnect", "Silent clients are hung up on.",
        "Silent clients are disconnected.",
    ),
    Rule(
        "in the place of", r"\bin the place of\b",
        "instead of", "With voxels in the place of micrometres.",
        "With voxels instead of micrometres.",
    ),
    Rule(
        "else", r"[;,] else\b(?! if\b)",
        "otherwise", "As recorded, else a free one.",
        "As recorded, otherwise a free one.",
    ),
    Rule(
        "at once", r"\bNothing at once\b",
        "No action now", "Nothing at once.",
        "Repeat the scan at once.",
    ),
)
# fmt: on


def findings(text: str) -> list[CheckResult]:
    """What the rules, and proselint's own, find in a text."""
    return [found for check in CHECKS for found in check.check_with_flags(f"\n{text}\n")]


CHECKS = (
    *(rule.check() for rule in RULES),
    *(check for check in checks.__register__ if check.path_segments[0] in GENERAL),
)
