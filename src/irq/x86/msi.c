/*
 * See msi.h. A message that is not one is a plain memory write elsewhere; a device that aims one
 * there (the guest chose the address) loses it.
 */
#include "irq/x86/msi.h"

bool msi_decode(uint64_t addr, uint32_t data, struct lapic_msg *msg)
{
    uint32_t dest = (uint8_t)(addr >> 12);
    bool redirect = addr & 8;

    if (addr >> 20 != 0xfee)
        return false;
    *msg = (struct lapic_msg){
        .dest = dest == 0xff ? LAPIC_BROADCAST : dest,
        .vector = (uint8_t)data,
        .mode = (data >> 8) & 7,
        /* The manual has the mode ignored without the redirection hint; chip sets do not, and Linux
         * relies on that. */
        .logical = addr & 4,
        .level = data & 1u << 15,
    };
    if (redirect && msg->mode == DM_FIXED)
        msg->mode = DM_LOWEST;
    return true;
}

void msi_send(void *bus, uint64_t addr, uint32_t data)
{
    struct lapic_msg msg;

    if (msi_decode(addr, data, &msg))
        lapic_bus_deliver(bus, &msg);
}
