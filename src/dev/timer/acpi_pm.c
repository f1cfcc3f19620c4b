/*
 * See acpi_pm.h. The PM timer is arithmetic on the guest clock; a host timer runs only when the
 * guest wants its overflow interrupt, which comes every ten minutes.
 */
#include "dev/timer/acpi_pm.h"

#include <errno.h>
#include <stdlib.h>

#include "dev/timer/ticks.h"

enum {
    OFF_STATUS = 0,
    OFF_ENABLE = 2,
    OFF_CONTROL = 4,
    OFF_TIMER = 8,
    OFF_RESET = 12,
    OFF_GPE = 16
};

#define STS_TIMER      (1u << 0)
#define STS_POWER      (1u << 8)
#define STS_WAKE       (1u << 15)
#define STS_BITS       (STS_TIMER | STS_POWER | STS_WAKE | 1u << 4 | 1u << 5 | 1u << 9 | 1u << 10)
#define EN_BITS        (STS_TIMER | STS_POWER | 1u << 5 | 1u << 9 | 1u << 10)
#define CNT_SCI_EN     (1u << 0)
#define CNT_BITS       (0x1c06u) /* BM_RLD, GBL_RLS, SLP_TYP; SLP_EN reads as zero */
#define CNT_SLP_TYP(v) (((v) >> 10) & 7)
#define CNT_SLP_EN     (1u << 13)
#define RESET_NOW      (1u << 2)
#define RESET_BITS     0x0eu

#define HALF (UINT64_C(1) << 31) /* of the 32-bit counter's range */

static uint64_t now_ticks(const struct acpi_pm *pm)
{
    return ticks_from_ns(guest_clock_ns(pm->dev.host->clock), ACPI_PM_HZ);
}

/* dev.lock held, as for all below. The status bit rises whenever bit 31 changes. */
static void catch_up(struct acpi_pm *pm)
{
    uint64_t carries = now_ticks(pm) / HALF;

    if (carries != pm->carry_seen)
        pm->status |= STS_TIMER;
    pm->carry_seen = carries;
}

static void update(struct acpi_pm *pm)
{
    uint64_t next;

    catch_up(pm);
    irq_line_set(&pm->sci, pm->status & pm->enable & EN_BITS);
    if (pm->parked || !(pm->enable & STS_TIMER) || pm->status & STS_TIMER) {
        evloop_timer_stop(&pm->timer);
        return;
    }
    next = ticks_to_ns((pm->carry_seen + 1) * HALF, ACPI_PM_HZ);
    evloop_timer_start(&pm->timer, guest_clock_to_host(pm->dev.host->clock, next));
}

static void carry_fired(void *opaque)
{
    struct acpi_pm *pm = opaque;

    pthread_mutex_lock(&pm->dev.lock);
    if (!pm->parked)
        update(pm);
    pthread_mutex_unlock(&pm->dev.lock);
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
    pthread_mutex_lock(&pm->dev.lock);
    pm->status |= STS_POWER;
    update(pm);
    pthread_mutex_unlock(&pm->dev.lock);
}

bool acpi_pm_power_button_enabled(struct acpi_pm *pm)
{
    bool on;

    pthread_mutex_lock(&pm->dev.lock);
    on = pm->enable & STS_POWER;
    pthread_mutex_unlock(&pm->dev.lock);
    return on;
}

static void machine_event(struct acpi_pm *pm, enum machine_event ev)
{
    pm->dev.host->event(pm->dev.host->vm, ev, 0);
}

static void write_control(struct acpi_pm *pm, uint16_t val)
{
    pm->control = val & CNT_BITS;
    if (val & CNT_SLP_EN && CNT_SLP_TYP(val) == ACPI_PM_S5_TYPE)
        machine_event(pm, MACHINE_POWER_OFF);
}

static void write_reset(struct acpi_pm *pm, uint8_t val)
{
    bool rising = val & RESET_NOW && !(pm->reset_control & RESET_NOW);

    pm->reset_control = val & RESET_BITS;
    if (rising)
        machine_event(pm, MACHINE_RESET);
}

uint8_t acpi_pm_reset_read(void *opaque)
{
    struct acpi_pm *pm = opaque;
    uint8_t v;

    pthread_mutex_lock(&pm->dev.lock);
    v = pm->reset_control;
    pthread_mutex_unlock(&pm->dev.lock);
    return v;
}

void acpi_pm_reset_write(void *opaque, uint8_t val)
{
    struct acpi_pm *pm = opaque;

    pthread_mutex_lock(&pm->dev.lock);
    write_reset(pm, val);
    pthread_mutex_unlock(&pm->dev.lock);
}

/* The aligned dword that holds `off`; narrower reads take their part of it. */
static uint32_t read_dword(struct acpi_pm *pm, uint64_t off)
{
    switch (off & ~UINT64_C(3)) {
    case OFF_STATUS:
        catch_up(pm);
        return pm->status | (uint32_t)pm->enable << 16;
    case OFF_CONTROL:
        return pm->control | CNT_SCI_EN;
    case OFF_TIMER:
        return (uint32_t)now_ticks(pm);
    case OFF_RESET:
        return pm->reset_control;
    default: /* the event block is empty */
        return 0;
    }
}

static enum io_status pm_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    uint32_t v = read_dword(opaque, off) >> (off & 3) * 8;

    *val = size < 4 ? v & ((1u << size * 8) - 1) : v;
    return IO_OK;
}

static void write_byte(struct acpi_pm *pm, uint64_t off, uint8_t val)
{
    switch (off) {
    case OFF_STATUS: /* write one to clear */
    case OFF_STATUS + 1:
        catch_up(pm);
        pm->status &= ~((uint16_t)val << (off - OFF_STATUS) * 8);
        break;
    case OFF_ENABLE:
        pm->enable = ((pm->enable & 0xff00) | val) & EN_BITS;
        break;
    case OFF_ENABLE + 1:
        pm->enable = ((pm->enable & 0xff) | val << 8) & EN_BITS;
        break;
    case OFF_CONTROL:
        write_control(pm, (pm->control & 0xff00) | val);
        break;
    case OFF_CONTROL + 1:
        write_control(pm, (uint16_t)((pm->control & 0xff) | val << 8));
        break;
    case OFF_RESET:
        write_reset(pm, val);
        break;
    default: /* the timer and the empty event block */
        break;
    }
}

static enum io_status pm_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct acpi_pm *pm = opaque;

    for (unsigned i = 0; i < size; i++)
        write_byte(pm, off + i, (uint8_t)(val >> i * 8));
    update(pm);
    return IO_OK;
}

static const struct io_ops pm_ops = {pm_read, pm_write, 1, 4, false};

static int acpi_pm_post_load(void *obj, struct error *err)
{
    struct acpi_pm *pm = obj;

    if (pm->status & ~STS_BITS || pm->enable & ~EN_BITS || pm->control & ~CNT_BITS)
        return error_set(err, EINVAL, "the state of the power management registers is not valid");
    return 0;
}

#define STATE_OWNER struct acpi_pm
STATE_DESC(acpi_pm_state, "acpi-pm", 1, ACPI_PM_STATE, .post_load = acpi_pm_post_load);
#undef STATE_OWNER

static void acpi_pm_reset(struct dev *d)
{
    struct acpi_pm *pm = container_of(d, struct acpi_pm, dev);

    pm->status = pm->enable = pm->control = 0;
    pm->carry_seen = now_ticks(pm) / HALF;
    pm->reset_control = 0;
    update(pm);
}

static void acpi_pm_quiesce(struct dev *d)
{
    struct acpi_pm *pm = container_of(d, struct acpi_pm, dev);

    pthread_mutex_lock(&d->lock);
    pm->parked = true;
    evloop_timer_stop(&pm->timer);
    pthread_mutex_unlock(&d->lock);
}

static void acpi_pm_resume(struct dev *d)
{
    struct acpi_pm *pm = container_of(d, struct acpi_pm, dev);

    pthread_mutex_lock(&d->lock);
    pm->parked = false;
    update(pm);
    pthread_mutex_unlock(&d->lock);
}

static void acpi_pm_destroy(struct dev *d)
{
    struct acpi_pm *pm = container_of(d, struct acpi_pm, dev);

    evloop_timer_stop(&pm->timer);
    dev_free(d);
}

static const struct dev_class acpi_pm_class = {
    .name = "acpi-pm",
    .state = &acpi_pm_state,
    .reset = acpi_pm_reset,
    .quiesce = acpi_pm_quiesce,
    .resume = acpi_pm_resume,
    .destroy = acpi_pm_destroy,
};

int acpi_pm_create(struct acpi_pm **out, const struct dev_host *host, uint16_t base,
                   struct irq_line sci)
{
    struct acpi_pm *pm = calloc(1, sizeof(*pm));
    int rc;

    if (!pm)
        return -ENOMEM;
    dev_init(&pm->dev, &acpi_pm_class, host, "acpi-pm");
    pm->sci = sci;
    evloop_timer_init(&pm->timer, host->loop, carry_fired, pm);
    rc = io_space_add(
        host->pio, &(struct io_region){"acpi-pm", base, ACPI_PM_LEN, &pm_ops, pm, &pm->dev.lock});
    if (rc < 0) {
        acpi_pm_destroy(&pm->dev);
        return rc;
    }
    *out = pm;
    return 0;
}
