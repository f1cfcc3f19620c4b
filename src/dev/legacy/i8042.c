/* See i8042.h. */
#include "dev/legacy/i8042.h"

#include <errno.h>
#include <stdlib.h>

enum { PORT_DATA = 0x60, PORT_COMMAND = 0x64 };
enum { ST_FULL = 0x01, ST_SYSTEM = 0x04, ST_COMMAND = 0x08, ST_UNLOCKED = 0x10, ST_TIMEOUT = 0x40 };
enum { CB_INTERRUPT = 0x01, CB_SYSTEM = 0x04, CB_DISABLE_KBD = 0x10, CB_DISABLE_AUX = 0x20 };
enum { OUT_NO_RESET = 0x01, OUT_A20 = 0x02 };
enum { NAK = 0xfe };

enum {
    CMD_READ_RAM = 0x20,  /* to 0x3f */
    CMD_WRITE_RAM = 0x60, /* to 0x7f */
    CMD_PASSWORD = 0xa4,
    CMD_AUX_OFF = 0xa7,
    CMD_AUX_ON = 0xa8,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KBD_TEST = 0xab,
    CMD_KBD_OFF = 0xad,
    CMD_KBD_ON = 0xae,
    CMD_READ_INPUT = 0xc0,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_LOOP_KBD = 0xd2,
    CMD_LOOP_AUX = 0xd3,
    CMD_TO_AUX = 0xd4,
    CMD_READ_TEST = 0xe0,
    CMD_PULSE = 0xf0, /* to 0xff */
};

static void update(struct i8042 *k)
{
    irq_line_set(&k->irq, k->status & ST_FULL && k->ram[0] & CB_INTERRUPT);
}

static void answer(struct i8042 *k, uint8_t byte, bool timeout)
{
    k->output = byte;
    k->status |= ST_FULL;
    k->status = timeout ? k->status | ST_TIMEOUT : k->status & ~ST_TIMEOUT;
}

static void reset_machine(struct i8042 *k)
{
    k->dev.host->event(k->dev.host->vm, MACHINE_RESET, 0);
}

static void write_output_port(struct i8042 *k, uint8_t val)
{
    k->output_port = val;
    if (!(val & OUT_NO_RESET))
        reset_machine(k);
}

/* Commands that take no data; A20 and the ports' switches have no effect here. */
static void simple_command(struct i8042 *k, uint8_t cmd)
{
    switch (cmd) {
    case CMD_PASSWORD:
        answer(k, 0xf1, false); /* none is set */
        break;
    case CMD_AUX_OFF:
        k->ram[0] |= CB_DISABLE_AUX;
        break;
    case CMD_AUX_ON:
        k->ram[0] &= ~CB_DISABLE_AUX;
        break;
    case CMD_AUX_TEST:
        answer(k, 0x01, false); /* clock line stuck: no port */
        break;
    case CMD_SELF_TEST:
        answer(k, 0x55, false);
        break;
    case CMD_KBD_TEST:
        answer(k, 0x00, false);
        break;
    case CMD_KBD_OFF:
        k->ram[0] |= CB_DISABLE_KBD;
        break;
    case CMD_KBD_ON:
        k->ram[0] &= ~CB_DISABLE_KBD;
        break;
    case CMD_READ_INPUT:
        answer(k, 0x80, false);
        break;
    case CMD_READ_OUTPUT:
        answer(k, k->output_port, false);
        break;
    case CMD_READ_TEST:
        answer(k, 0x00, false);
        break;
    default:
        break;
    }
}

static bool takes_data(uint8_t cmd)
{
    return (cmd >= CMD_WRITE_RAM && cmd < CMD_WRITE_RAM + I8042_RAM) ||
           (cmd >= CMD_WRITE_OUTPUT && cmd <= CMD_TO_AUX);
}

static void write_command(struct i8042 *k, uint8_t cmd)
{
    k->status |= ST_COMMAND;
    k->command = takes_data(cmd) ? cmd : 0;
    if (k->command)
        return;
    if (cmd >= CMD_PULSE) {
        if (!(cmd & OUT_NO_RESET))
            reset_machine(k); /* 0xfe and its like pulse the reset line */
    } else if (cmd >= CMD_READ_RAM && cmd < CMD_READ_RAM + I8042_RAM) {
        answer(k, k->ram[cmd - CMD_READ_RAM], false);
    } else {
        simple_command(k, cmd);
    }
}

static void write_data(struct i8042 *k, uint8_t val)
{
    uint8_t cmd = k->command;

    k->status &= ~ST_COMMAND;
    k->command = 0;
    switch (cmd) {
    case CMD_WRITE_OUTPUT:
        write_output_port(k, val);
        break;
    case CMD_LOOP_KBD:
    case CMD_LOOP_AUX: /* shows up as the keyboard's: there is no second port */
        answer(k, val, false);
        break;
    case 0: /* for the keyboard, which is not there */
    case CMD_TO_AUX:
        answer(k, NAK, true);
        break;
    default:
        k->ram[(cmd - CMD_WRITE_RAM) & (I8042_RAM - 1)] = val;
        break;
    }
}

static enum io_status data_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct i8042 *k = opaque;

    (void)off;
    (void)size;
    *val = k->output;
    k->status &= ~(ST_FULL | ST_TIMEOUT);
    update(k);
    return IO_OK;
}

static enum io_status data_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    (void)off;
    (void)size;
    write_data(opaque, (uint8_t)val);
    update(opaque);
    return IO_OK;
}

static enum io_status status_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct i8042 *k = opaque;

    (void)off;
    (void)size;
    *val = k->status | (k->ram[0] & CB_SYSTEM ? ST_SYSTEM : 0);
    return IO_OK;
}

static enum io_status command_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    (void)off;
    (void)size;
    write_command(opaque, (uint8_t)val);
    update(opaque);
    return IO_OK;
}

static const struct io_ops data_ops = {data_read, data_write, 1, 1, false};
static const struct io_ops command_ops = {status_read, command_write, 1, 1, false};

static int i8042_post_load(void *obj, struct error *err)
{
    struct i8042 *k = obj;

    if (k->command && !takes_data(k->command))
        return error_set(err, EINVAL, "the state of the keyboard controller is not valid");
    return 0;
}

#define STATE_OWNER struct i8042
STATE_DESC(i8042_state, "i8042", 1, I8042_STATE, .post_load = i8042_post_load);
#undef STATE_OWNER

static void i8042_reset(struct dev *d)
{
    struct i8042 *k = container_of(d, struct i8042, dev);

    k->status = ST_UNLOCKED;
    k->output = 0;
    k->output_port = OUT_NO_RESET | OUT_A20;
    k->command = 0;
    for (unsigned i = 0; i < I8042_RAM; i++)
        k->ram[i] = 0;
    k->ram[0] = CB_SYSTEM | CB_DISABLE_KBD | CB_DISABLE_AUX;
    update(k);
}

static void i8042_resume(struct dev *d)
{
    pthread_mutex_lock(&d->lock);
    update(container_of(d, struct i8042, dev));
    pthread_mutex_unlock(&d->lock);
}

static const struct dev_class i8042_class = {
    .name = "i8042",
    .state = &i8042_state,
    .reset = i8042_reset,
    .resume = i8042_resume,
    .destroy = dev_free,
};

int i8042_create(struct i8042 **out, const struct dev_host *host, struct irq_line irq)
{
    struct i8042 *k = calloc(1, sizeof(*k));
    int rc;

    if (!k)
        return -ENOMEM;
    dev_init(&k->dev, &i8042_class, host, "i8042");
    k->irq = irq;
    i8042_reset(&k->dev);
    rc = io_space_add(host->pio,
                      &(struct io_region){"i8042-data", PORT_DATA, 1, &data_ops, k, &k->dev.lock});
    if (rc < 0)
        goto out_free;
    rc = io_space_add(host->pio, &(struct io_region){"i8042-command", PORT_COMMAND, 1, &command_ops,
                                                     k, &k->dev.lock});
    if (rc < 0)
        goto out_region;
    *out = k;
    return 0;

out_region:
    io_space_remove(host->pio, PORT_DATA);
out_free:
    dev_free(&k->dev);
    return rc;
}
