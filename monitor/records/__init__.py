"""Frozen records that travel between the rooms. Arrays in them are read-only: threads share them.

Times are UTC seconds of the data, never of this machine's clock. Lengths are in `length_unit`:
"µm" where the voxel size is known, "voxel" if it is not.
"""

from monitor.records.channels import (
    ChannelValue,
)
from monitor.records.conditions import (
    BadInput,
    ConnectionChange,
    CyclerClock,
    FeedQuiet,
    FeedSilence,
    LossReason,
    RecordingTrouble,
    SilenceState,
    SilentFeed,
    TroublePart,
)
from monitor.records.cycler import (
    ChargeState,
    CyclerDocument,
    CyclerPoint,
    CyclerReading,
)
from monitor.records.events import (
    Event,
    EventData,
    Json,
    Output,
    Record,
)
from monitor.records.pits import (
    Pit,
)
from monitor.records.requests import (
    FINAL_REPLIES,
    Acknowledgement,
    OperatorNote,
    OperatorRequest,
    Order,
    PolicyChange,
    PolicyMode,
    ReplyStatus,
    ScanReply,
    ScanRequest,
)
from monitor.records.scans import (
    LEDGER_MISSING,
    LEDGER_RECEIVED,
    LEDGER_RECOVERED,
    Scalar,
    ScanResult,
    Summary,
    is_preliminary,
    number_of,
)
from monitor.records.slices import (
    PLANNED,
    SAME_START_S,
    LengthUnit,
    Reason,
    ResendEnd,
    ResendQuestion,
    ScanEnd,
    ScanKey,
    ScanStart,
    SliceFrame,
    frozen,
    shared,
)
