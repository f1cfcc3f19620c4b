/*
 * The instructions as the assembler knows them, and which of their fields are random: all fields
 * are zero here (x0, f0, rne).
 */
#include "snippet.h"

/* The assembled word, in a section of its own so that the lists below can name it. */
#define WORD(id, text)                                                                             \
    __asm__(".pushsection .rodata.forms, \"a\"\n.option push\n.option norvc\n.balign 4\n"          \
            "form_" #id ": " text "\n.option pop\n.popsection");                                   \
    extern const uint32_t form_##id[];
#define ENTRY(id, text, flags) {text, form_##id, flags},

#define FORMS_I(F)                                                                                 \
    F(i_0, "lui x0,0", D | IMM_U)                                                                  \
    F(i_1, "auipc x0,0", D | IMM_U)                                                                \
    F(i_2, "jal x0,.", D | IMM_J | JUMP)                                                           \
    F(i_3, "jalr x0,0(x0)", D | S1 | IMM_I | JUMP | PTR)                                           \
    F(i_4, "beq x0,x0,.", S1 | S2 | IMM_B | JUMP)                                                  \
    F(i_5, "bne x0,x0,.", S1 | S2 | IMM_B | JUMP)                                                  \
    F(i_6, "blt x0,x0,.", S1 | S2 | IMM_B | JUMP)                                                  \
    F(i_7, "bge x0,x0,.", S1 | S2 | IMM_B | JUMP)                                                  \
    F(i_8, "bltu x0,x0,.", S1 | S2 | IMM_B | JUMP)                                                 \
    F(i_9, "bgeu x0,x0,.", S1 | S2 | IMM_B | JUMP)                                                 \
    F(i_10, "lb x0,0(x0)", D | S1 | IMM_I | PTR)                                                   \
    F(i_11, "lh x0,0(x0)", D | S1 | IMM_I | PTR)                                                   \
    F(i_12, "lw x0,0(x0)", D | S1 | IMM_I | PTR)                                                   \
    F(i_13, "ld x0,0(x0)", D | S1 | IMM_I | PTR)                                                   \
    F(i_14, "lbu x0,0(x0)", D | S1 | IMM_I | PTR)                                                  \
    F(i_15, "lhu x0,0(x0)", D | S1 | IMM_I | PTR)                                                  \
    F(i_16, "lwu x0,0(x0)", D | S1 | IMM_I | PTR)                                                  \
    F(i_17, "sb x0,0(x0)", S1 | S2 | IMM_S | PTR)                                                  \
    F(i_18, "sh x0,0(x0)", S1 | S2 | IMM_S | PTR)                                                  \
    F(i_19, "sw x0,0(x0)", S1 | S2 | IMM_S | PTR)                                                  \
    F(i_20, "sd x0,0(x0)", S1 | S2 | IMM_S | PTR)                                                  \
    F(i_21, "addi x0,x0,0", D | S1 | IMM_I)                                                        \
    F(i_22, "slti x0,x0,0", D | S1 | IMM_I)                                                        \
    F(i_23, "sltiu x0,x0,0", D | S1 | IMM_I)                                                       \
    F(i_24, "xori x0,x0,0", D | S1 | IMM_I)                                                        \
    F(i_25, "ori x0,x0,0", D | S1 | IMM_I)                                                         \
    F(i_26, "andi x0,x0,0", D | S1 | IMM_I)                                                        \
    F(i_27, "addiw x0,x0,0", D | S1 | IMM_I)                                                       \
    F(i_28, "slli x0,x0,0", D | S1 | SH6)                                                          \
    F(i_29, "srli x0,x0,0", D | S1 | SH6)                                                          \
    F(i_30, "srai x0,x0,0", D | S1 | SH6)                                                          \
    F(i_31, "slliw x0,x0,0", D | S1 | SH5)                                                         \
    F(i_32, "srliw x0,x0,0", D | S1 | SH5)                                                         \
    F(i_33, "sraiw x0,x0,0", D | S1 | SH5)                                                         \
    F(i_34, "add x0,x0,x0", D | S1 | S2)                                                           \
    F(i_35, "sub x0,x0,x0", D | S1 | S2)                                                           \
    F(i_36, "sll x0,x0,x0", D | S1 | S2)                                                           \
    F(i_37, "slt x0,x0,x0", D | S1 | S2)                                                           \
    F(i_38, "sltu x0,x0,x0", D | S1 | S2)                                                          \
    F(i_39, "xor x0,x0,x0", D | S1 | S2)                                                           \
    F(i_40, "srl x0,x0,x0", D | S1 | S2)                                                           \
    F(i_41, "sra x0,x0,x0", D | S1 | S2)                                                           \
    F(i_42, "or x0,x0,x0", D | S1 | S2)                                                            \
    F(i_43, "and x0,x0,x0", D | S1 | S2)                                                           \
    F(i_44, "addw x0,x0,x0", D | S1 | S2)                                                          \
    F(i_45, "subw x0,x0,x0", D | S1 | S2)                                                          \
    F(i_46, "sllw x0,x0,x0", D | S1 | S2)                                                          \
    F(i_47, "srlw x0,x0,x0", D | S1 | S2)                                                          \
    F(i_48, "sraw x0,x0,x0", D | S1 | S2)                                                          \
    F(i_49, "fence rw,rw", 0)                                                                      \
    F(i_50, "fence.i", 0)

#define FORMS_M(F)                                                                                 \
    F(m_0, "mul x0,x0,x0", D | S1 | S2)                                                            \
    F(m_1, "mulh x0,x0,x0", D | S1 | S2)                                                           \
    F(m_2, "mulhsu x0,x0,x0", D | S1 | S2)                                                         \
    F(m_3, "mulhu x0,x0,x0", D | S1 | S2)                                                          \
    F(m_4, "div x0,x0,x0", D | S1 | S2)                                                            \
    F(m_5, "divu x0,x0,x0", D | S1 | S2)                                                           \
    F(m_6, "rem x0,x0,x0", D | S1 | S2)                                                            \
    F(m_7, "remu x0,x0,x0", D | S1 | S2)                                                           \
    F(m_8, "mulw x0,x0,x0", D | S1 | S2)                                                           \
    F(m_9, "divw x0,x0,x0", D | S1 | S2)                                                           \
    F(m_10, "divuw x0,x0,x0", D | S1 | S2)                                                         \
    F(m_11, "remw x0,x0,x0", D | S1 | S2)                                                          \
    F(m_12, "remuw x0,x0,x0", D | S1 | S2)

#define FORMS_A(F)                                                                                 \
    F(a_0, "amoswap.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_1, "amoadd.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                 \
    F(a_2, "amoxor.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                 \
    F(a_3, "amoand.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                 \
    F(a_4, "amoor.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                  \
    F(a_5, "amomin.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                 \
    F(a_6, "amomax.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                 \
    F(a_7, "amominu.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_8, "amomaxu.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_9, "amoswap.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_10, "amoadd.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_11, "amoxor.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_12, "amoand.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_13, "amoor.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                 \
    F(a_14, "amomin.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_15, "amomax.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                \
    F(a_16, "amominu.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                               \
    F(a_17, "amomaxu.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                               \
    F(a_18, "lr.w x0,(x0)", D | S1 | PTR | EVEN | AQRL)                                            \
    F(a_19, "lr.d x0,(x0)", D | S1 | PTR | EVEN | AQRL)                                            \
    F(a_20, "sc.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL | PAIR)                             \
    F(a_21, "sc.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL | PAIR)                             \
    F(a_22, "sc.w x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)                                    \
    F(a_23, "sc.d x0,x0,(x0)", D | S1 | S2 | PTR | EVEN | AQRL)

#define FORMS_ZB(F)                                                                                \
    F(zb_0, "add.uw x0,x0,x0", D | S1 | S2)                                                        \
    F(zb_1, "sh1add x0,x0,x0", D | S1 | S2)                                                        \
    F(zb_2, "sh2add x0,x0,x0", D | S1 | S2)                                                        \
    F(zb_3, "sh3add x0,x0,x0", D | S1 | S2)                                                        \
    F(zb_4, "sh1add.uw x0,x0,x0", D | S1 | S2)                                                     \
    F(zb_5, "sh2add.uw x0,x0,x0", D | S1 | S2)                                                     \
    F(zb_6, "sh3add.uw x0,x0,x0", D | S1 | S2)                                                     \
    F(zb_7, "andn x0,x0,x0", D | S1 | S2)                                                          \
    F(zb_8, "orn x0,x0,x0", D | S1 | S2)                                                           \
    F(zb_9, "xnor x0,x0,x0", D | S1 | S2)                                                          \
    F(zb_10, "min x0,x0,x0", D | S1 | S2)                                                          \
    F(zb_11, "minu x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_12, "max x0,x0,x0", D | S1 | S2)                                                          \
    F(zb_13, "maxu x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_14, "rol x0,x0,x0", D | S1 | S2)                                                          \
    F(zb_15, "ror x0,x0,x0", D | S1 | S2)                                                          \
    F(zb_16, "rolw x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_17, "rorw x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_18, "bclr x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_19, "bext x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_20, "binv x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_21, "bset x0,x0,x0", D | S1 | S2)                                                         \
    F(zb_22, "slli.uw x0,x0,0", D | S1 | SH6)                                                      \
    F(zb_23, "rori x0,x0,0", D | S1 | SH6)                                                         \
    F(zb_24, "bclri x0,x0,0", D | S1 | SH6)                                                        \
    F(zb_25, "bexti x0,x0,0", D | S1 | SH6)                                                        \
    F(zb_26, "binvi x0,x0,0", D | S1 | SH6)                                                        \
    F(zb_27, "bseti x0,x0,0", D | S1 | SH6)                                                        \
    F(zb_28, "roriw x0,x0,0", D | S1 | SH5)                                                        \
    F(zb_29, "clz x0,x0", D | S1)                                                                  \
    F(zb_30, "ctz x0,x0", D | S1)                                                                  \
    F(zb_31, "cpop x0,x0", D | S1)                                                                 \
    F(zb_32, "sext.b x0,x0", D | S1)                                                               \
    F(zb_33, "sext.h x0,x0", D | S1)                                                               \
    F(zb_34, "zext.h x0,x0", D | S1)                                                               \
    F(zb_35, "clzw x0,x0", D | S1)                                                                 \
    F(zb_36, "ctzw x0,x0", D | S1 | NONZERO)                                                       \
    F(zb_37, "cpopw x0,x0", D | S1)                                                                \
    F(zb_38, "orc.b x0,x0", D | S1)                                                                \
    F(zb_39, "rev8 x0,x0", D | S1)

#define FORMS_CSR(F)                                                                               \
    F(csr_0, "csrrw x0,fflags,x0", D | S1)                                                         \
    F(csr_1, "csrrw x0,frm,x0", D | S1)                                                            \
    F(csr_2, "csrrw x0,fcsr,x0", D | S1)                                                           \
    F(csr_3, "csrrs x0,fflags,x0", D | S1)                                                         \
    F(csr_4, "csrrs x0,frm,x0", D | S1)                                                            \
    F(csr_5, "csrrs x0,fcsr,x0", D | S1)                                                           \
    F(csr_6, "csrrc x0,fflags,x0", D | S1)                                                         \
    F(csr_7, "csrrc x0,frm,x0", D | S1)                                                            \
    F(csr_8, "csrrc x0,fcsr,x0", D | S1)                                                           \
    F(csr_9, "csrrwi x0,fflags,0", D | S1)                                                         \
    F(csr_10, "csrrwi x0,frm,0", D | S1)                                                           \
    F(csr_11, "csrrwi x0,fcsr,0", D | S1)                                                          \
    F(csr_12, "csrrsi x0,fflags,0", D | S1)                                                        \
    F(csr_13, "csrrsi x0,frm,0", D | S1)                                                           \
    F(csr_14, "csrrsi x0,fcsr,0", D | S1)                                                          \
    F(csr_15, "csrrci x0,fflags,0", D | S1)                                                        \
    F(csr_16, "csrrci x0,frm,0", D | S1)                                                           \
    F(csr_17, "csrrci x0,fcsr,0", D | S1)                                                          \
    F(csr_18, "frflags x0", D)                                                                     \
    F(csr_19, "fsflags x0", S1)                                                                    \
    F(csr_20, "frrm x0", D)

#define FORMS_F(F)                                                                                 \
    F(f_0, "flw f0,0(x0)", FD | S1 | IMM_I | PTR)                                                  \
    F(f_1, "fsw f0,0(x0)", S1 | S2 | IMM_S | PTR)                                                  \
    F(f_2, "fmadd.s f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                      \
    F(f_3, "fmsub.s f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                      \
    F(f_4, "fnmsub.s f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                     \
    F(f_5, "fnmadd.s f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                     \
    F(f_6, "fadd.s f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(f_7, "fsub.s f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(f_8, "fmul.s f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(f_9, "fdiv.s f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(f_10, "fsqrt.s f0,f0,rne", FD | S1 | RM)                                                     \
    F(f_11, "fsgnj.s f0,f0,f0", FD | S1 | S2)                                                      \
    F(f_12, "fsgnjn.s f0,f0,f0", FD | S1 | S2)                                                     \
    F(f_13, "fsgnjx.s f0,f0,f0", FD | S1 | S2)                                                     \
    F(f_14, "fmin.s f0,f0,f0", FD | S1 | S2)                                                       \
    F(f_15, "fmax.s f0,f0,f0", FD | S1 | S2)                                                       \
    F(f_16, "feq.s x0,f0,f0", D | S1 | S2)                                                         \
    F(f_17, "flt.s x0,f0,f0", D | S1 | S2)                                                         \
    F(f_18, "fle.s x0,f0,f0", D | S1 | S2)                                                         \
    F(f_19, "fclass.s x0,f0", D | S1)                                                              \
    F(f_20, "fcvt.w.s x0,f0,rne", D | S1 | RM)                                                     \
    F(f_21, "fcvt.wu.s x0,f0,rne", D | S1 | RM)                                                    \
    F(f_22, "fcvt.l.s x0,f0,rne", D | S1 | RM)                                                     \
    F(f_23, "fcvt.lu.s x0,f0,rne", D | S1 | RM)                                                    \
    F(f_24, "fcvt.s.w f0,x0,rne", FD | S1 | RM)                                                    \
    F(f_25, "fcvt.s.wu f0,x0,rne", FD | S1 | RM)                                                   \
    F(f_26, "fcvt.s.l f0,x0,rne", FD | S1 | RM)                                                    \
    F(f_27, "fcvt.s.lu f0,x0,rne", FD | S1 | RM)                                                   \
    F(f_28, "fmv.x.w x0,f0", D | S1)                                                               \
    F(f_29, "fmv.w.x f0,x0", FD | S1)

#define FORMS_D(F)                                                                                 \
    F(d_0, "fld f0,0(x0)", FD | S1 | IMM_I | PTR)                                                  \
    F(d_1, "fsd f0,0(x0)", S1 | S2 | IMM_S | PTR)                                                  \
    F(d_2, "fmadd.d f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                      \
    F(d_3, "fmsub.d f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                      \
    F(d_4, "fnmsub.d f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                     \
    F(d_5, "fnmadd.d f0,f0,f0,f0,rne", FD | S1 | S2 | S3 | RM)                                     \
    F(d_6, "fadd.d f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(d_7, "fsub.d f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(d_8, "fmul.d f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(d_9, "fdiv.d f0,f0,f0,rne", FD | S1 | S2 | RM)                                               \
    F(d_10, "fsqrt.d f0,f0,rne", FD | S1 | RM)                                                     \
    F(d_11, "fsgnj.d f0,f0,f0", FD | S1 | S2)                                                      \
    F(d_12, "fsgnjn.d f0,f0,f0", FD | S1 | S2)                                                     \
    F(d_13, "fsgnjx.d f0,f0,f0", FD | S1 | S2)                                                     \
    F(d_14, "fmin.d f0,f0,f0", FD | S1 | S2)                                                       \
    F(d_15, "fmax.d f0,f0,f0", FD | S1 | S2)                                                       \
    F(d_16, "feq.d x0,f0,f0", D | S1 | S2)                                                         \
    F(d_17, "flt.d x0,f0,f0", D | S1 | S2)                                                         \
    F(d_18, "fle.d x0,f0,f0", D | S1 | S2)                                                         \
    F(d_19, "fclass.d x0,f0", D | S1)                                                              \
    F(d_20, "fcvt.w.d x0,f0,rne", D | S1 | RM)                                                     \
    F(d_21, "fcvt.wu.d x0,f0,rne", D | S1 | RM)                                                    \
    F(d_22, "fcvt.l.d x0,f0,rne", D | S1 | RM)                                                     \
    F(d_23, "fcvt.lu.d x0,f0,rne", D | S1 | RM)                                                    \
    F(d_24, "fcvt.d.w f0,x0", FD | S1 | RM)                                                        \
    F(d_25, "fcvt.d.wu f0,x0", FD | S1 | RM)                                                       \
    F(d_26, "fcvt.d.l f0,x0,rne", FD | S1 | RM)                                                    \
    F(d_27, "fcvt.d.lu f0,x0,rne", FD | S1 | RM)                                                   \
    F(d_28, "fmv.x.d x0,f0", D | S1)                                                               \
    F(d_29, "fmv.d.x f0,x0", FD | S1)                                                              \
    F(d_30, "fcvt.s.d f0,f0,rne", FD | S1 | RM)                                                    \
    F(d_31, "fcvt.d.s f0,f0", FD | S1 | RM)

/* What the assembler does not know (Zicond), and what the judge gets wrong. */
#define FORMS_OWN(F)                                                                               \
    F(own_0, ".insn r 0x33, 5, 7, x0, x0, x0", D | S1 | S2)                                        \
    F(own_1, ".insn r 0x33, 7, 7, x0, x0, x0", D | S1 | S2)                                        \
    F(own_2, "ctzw x0,x0", D | S1)

#define WORD_OF(id, text, flags) WORD(id, text)

FORMS_I(WORD_OF)
const struct form forms_i[] = {FORMS_I(ENTRY){0}};

FORMS_M(WORD_OF)
const struct form forms_m[] = {FORMS_M(ENTRY){0}};

FORMS_A(WORD_OF)
const struct form forms_a[] = {FORMS_A(ENTRY){0}};

FORMS_ZB(WORD_OF)
const struct form forms_zb[] = {FORMS_ZB(ENTRY){0}};

FORMS_CSR(WORD_OF)
const struct form forms_csr[] = {FORMS_CSR(ENTRY){0}};

FORMS_F(WORD_OF)
const struct form forms_f[] = {FORMS_F(ENTRY){0}};

FORMS_D(WORD_OF)
const struct form forms_d[] = {FORMS_D(ENTRY){0}};

FORMS_OWN(WORD_OF)
const struct form forms_own[] = {FORMS_OWN(ENTRY){0}};
