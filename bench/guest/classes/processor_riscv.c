/*
 * What the processor that runs the workloads offers: those for RISC-V need nothing beyond RV64GC.
 */
#include "workload.h"

unsigned processor_has(void)
{
    return 0;
}
