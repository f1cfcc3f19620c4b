/*
 * ACPI fixed hardware: power management event and control registers, the PM timer, an empty
 * general-purpose event block, and the reset register. [ACPI 6.4 4.8]
 *
 * For the FADT: PM1a_EVT_BLK = base (4 bytes), PM1a_CNT_BLK = base + 4 (2), PM_TMR_BLK = base + 8
 * (4, with TMR_VAL_EXT: 32 bits), GPE0_BLK = base + 32 (4), RESET_REG = base + 12 or port 0xcf9
 * (byte, value ACPI_PM_RESET_VALUE). SMI_CMD is 0: SCI_EN is always set. _S5 is {ACPI_PM_S5_TYPE,
 * ...}.
 */
#ifndef DOPPEL_DEV_TIMER_ACPI_PM_H
#define DOPPEL_DEV_TIMER_ACPI_PM_H

#include "dev/dev.h"

enum {
    ACPI_PM_LEN = 36,
    ACPI_PM_HZ = 3579545,
    ACPI_PM_S5_TYPE = 5,
    ACPI_PM_RESET_VALUE = 6, /* also what kernels write to port 0xcf9 */
};

#define ACPI_PM_STATE(S, A, B, N)                                                                  \
    S(uint16_t, status)                                                                            \
    S(uint16_t, enable)                                                                            \
    S(uint16_t, control)                                                                           \
    S(uint64_t, carry_seen) /* carries of the timer's top bit up to here are in `status` */        \
    S(uint8_t, reset_control)

struct acpi_pm {
    struct dev dev;
    STATE_MEMBERS(ACPI_PM_STATE)
    struct irq_line sci; /* level */
    struct evloop_timer timer;
    bool parked; /* between quiesce and resume no timer runs */
};

extern const struct state_desc acpi_pm_state;

/* Ports [base, base + ACPI_PM_LEN). */
int acpi_pm_create(struct acpi_pm **out, const struct dev_host *host, uint16_t base,
                   struct irq_line sci) must_check;
/* The user pressed the power button: a polite request to shut down. Any thread. */
void acpi_pm_power_button(struct acpi_pm *pm);
/* Does the guest listen to the power button? */
bool acpi_pm_power_button_enabled(struct acpi_pm *pm);

/*
 * The reset control register at port 0xcf9, one byte. It lies inside the PCI configuration address
 * dword at 0xcf8, so whoever owns that region passes single-byte accesses of 0xcf9 on to these
 * (opaque = struct acpi_pm; they lock by themselves).
 */
uint8_t acpi_pm_reset_read(void *pm);
void acpi_pm_reset_write(void *pm, uint8_t val);

#endif
