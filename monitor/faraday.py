"""Constants and conversions between charge and lithium thickness."""

FARADAY_C_MOL = 96485.33
LITHIUM_MOLAR_MASS_G_MOL = 6.94
LITHIUM_DENSITY_G_CM3 = 0.534

COULOMB_PER_MAH = 3.6
UM_PER_CM = 1.0e4

UM_PER_MAH_CM2 = (
    COULOMB_PER_MAH * LITHIUM_MOLAR_MASS_G_MOL / (LITHIUM_DENSITY_G_CM3 * FARADAY_C_MOL) * UM_PER_CM
)
"""Thickness of dense lithium for 1 mAh/cm² (4.8491 µm): Faraday's law, one electron a lithium."""


def thickness_um(charge_mAh_cm2: float) -> float:
    """Thickness of dense lithium that a charge per area dissolves or deposits, in µm."""
    return UM_PER_MAH_CM2 * charge_mAh_cm2


def charge_mAh_cm2(thickness_um: float) -> float:
    """Charge per area that dissolves or deposits this thickness of dense lithium."""
    return thickness_um / UM_PER_MAH_CM2
