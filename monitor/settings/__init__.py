"""Settings: TOML in, frozen and validated data classes out. An unknown key is refused by name."""

from monitor.settings.cells import (
    CELL_NAME,
    BoundarySettings,
    CellSettings,
    GreyLevels,
)
from monitor.settings.channels import (
    CHANNEL_NAME,
    ChannelSettings,
)
from monitor.settings.connections import (
    FeedSettings,
    RequestSettings,
    ResultSettings,
    SecuritySettings,
)
from monitor.settings.decisions import (
    OnsetSettings,
    PitSettings,
    WatchSettings,
    rules_of,
)
from monitor.settings.experiment import (
    ExperimentSettings,
    ScheduleSettings,
    Settings,
    SimulatorSettings,
)
from monitor.settings.folders import FolderRules, FolderSettings
from monitor.settings.loading import (
    Table,
    as_table,
    folder_rules,
    load,
    parse,
)
