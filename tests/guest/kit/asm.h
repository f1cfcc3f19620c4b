/* Numbers that the kit's C and assembly share. */
#ifndef GUEST_KIT_ASM_H
#define GUEST_KIT_ASM_H

#define SEL_CODE32  0x08
#define SEL_KCODE   0x10
#define SEL_KDATA   0x18
#define SEL_UCODE32 (0x20 | 3)
#define SEL_UDATA   (0x28 | 3)
#define SEL_UCODE   (0x30 | 3)
#define SEL_CODE16  0x38
#define SEL_DATA16  0x40
#define SEL_ABSENT  0x48
#define SEL_TSS     0x50
#define MAX_CPUS    8
#define GDT_LIMIT   ((10 + 2 * MAX_CPUS) * 8 - 1)

#define MSR_EFER  0xc0000080
#define EFER_BOOT 0x901      /* NXE LME SCE */
#define CR0_BOOT  0x80010033 /* PG WP NE ET MP PE */
#define CR4_BOOT  0x6a0      /* OSXMMEXCPT OSFXSR PGE PAE */
#define AP_START  0x8000

#endif
