/*
 * SBI calls about the machine: reset, power off, and the debug console, which is the serial line.
 */
#include "board/virt/layout.h"
#include "board/virt/sbi.h"

/* ---- reset [SBI 2.0 10] ---- */

enum { RESET_SHUTDOWN = 0, RESET_COLD = 1, RESET_WARM = 2 };

/* Does not return in the guest: the hart stands until the machine has ended or is reset. */
struct sbi_ret sbi_reset(const struct sbi_call *call)
{
    struct vm *vm = call->virt->vm;
    uint64_t type = call->arg[0];
    if (call->fid != 0)
        return sbi_error(SBI_ERR_NOT_SUPPORTED);
    if (type > RESET_WARM)
        return sbi_error(SBI_ERR_INVALID_PARAM);
    call->cpu->run_state = RISCV_STOPPED;
    riscv_want_attention(call->cpu, RISCV_ATTN_STATE);
    vm->host.event(vm->host.vm, type == RESET_SHUTDOWN ? MACHINE_POWER_OFF : MACHINE_RESET, 0);
    return sbi_error(SBI_SUCCESS);
}

/* ---- console [SBI 2.0 12] ---- */

enum { CONSOLE_WRITE, CONSOLE_READ, CONSOLE_WRITE_BYTE };
enum { UART_DATA = 0, UART_LSR = 5, LSR_DATA = 1 };
/* A call may do less than it was asked to. */
enum { CONSOLE_CHUNK = 1024 };

void sbi_put(struct virt *v, uint8_t byte)
{
    v->console->ops->write(v->console, &byte, 1);
}

/* What was typed is in the serial port's queue. */
int sbi_get(struct virt *v)
{
    uint64_t val = 0;
    io_space_read(&v->vm->mmio, VIRT_UART_BASE + UART_LSR, 1, &val);
    if (!(val & LSR_DATA))
        return -1;
    io_space_read(&v->vm->mmio, VIRT_UART_BASE + UART_DATA, 1, &val);
    return (int)(val & 0xff);
}

static struct sbi_ret console_write(const struct sbi_call *call)
{
    uint8_t buf[CONSOLE_CHUNK];
    uint64_t len = MIN(call->arg[0], (uint64_t)sizeof(buf));
    struct virt *v = call->virt;
    if (call->arg[2] || gpa_read(&v->vm->mem, call->arg[1], buf, len) < 0)
        return sbi_error(SBI_ERR_INVALID_PARAM);
    if (len)
        v->console->ops->write(v->console, buf, len);
    return sbi_value(len);
}

static struct sbi_ret console_read(const struct sbi_call *call)
{
    uint8_t buf[CONSOLE_CHUNK];
    uint64_t want = MIN(call->arg[0], (uint64_t)sizeof(buf)), len = 0;
    struct virt *v = call->virt;
    if (call->arg[2] || !guest_mem_slot(&v->vm->mem, call->arg[1]))
        return sbi_error(SBI_ERR_INVALID_PARAM);
    for (int c; len < want && (c = sbi_get(v)) >= 0;)
        buf[len++] = (uint8_t)c;
    if (gpa_write(&v->vm->mem, call->arg[1], buf, len) < 0)
        return sbi_error(SBI_ERR_INVALID_PARAM);
    return sbi_value(len);
}

struct sbi_ret sbi_console(const struct sbi_call *call)
{
    switch (call->fid) {
    case CONSOLE_WRITE:
        return console_write(call);
    case CONSOLE_READ:
        return console_read(call);
    case CONSOLE_WRITE_BYTE:
        sbi_put(call->virt, (uint8_t)call->arg[0]);
        return sbi_error(SBI_SUCCESS);
    default:
        return sbi_error(SBI_ERR_NOT_SUPPORTED);
    }
}
