# The 32-bit instructions of the guest, one a line, laid out as the manual's tables are:
#
#     NAME   BITS   | OPERANDS   [| FLAGS]
#
# BITS, from bit 31 to bit 0:
#   01            fixed bits
#   -             a bit that is ignored
#   rd rs1 rs2 rs3    register numbers, 5 bits each
#   rm            rounding mode, 3 bits; the reserved values 5 and 6 do not match
#   aqrl          acquire and release, 2 bits, kept in riscv_insn.rm
#   csr           a CSR's number, 12 bits
#   imm[11:5|2]   bits 11 to 5, then bit 2, of a signed immediate; the highest one named is its sign
#   uimm[4:0]     the same, unsigned
# OPERANDS, as the disassembler shows them: commas part the operands; x is the integer register xN of the field
# behind it (xd x1 x2), f a floating-point register (fd f1 f2 f3), `imm(x1)` an address, `target` pc + imm, `hi` the
# immediate of LUI, shifted; `aqrl` adds .aq and .rl to the name, `rm` the rounding mode where it is not dynamic.
# FLAGS: end   the block of decoded or translated instructions ends here: control may go elsewhere, or what
#              follows may be executed in another context
#        load, store   it accesses memory (atomics: both)
#        fp    it needs mstatus.FS
# [NAME] begins the instructions of an extension.
#
# tools/riscv-decode-gen makes from this file and insn16.pat the names, the decoder and the disassembler's table; two
# lines that match the same bits are an error.

[I]
lui       imm[31:12] rd 0110111                       | xd, hi
auipc     imm[31:12] rd 0010111                       | xd, hi
jal       imm[20|10:1|11|19:12] rd 1101111            | xd, target        | end
jalr      imm[11:0] rs1 000 rd 1100111                | xd, imm(x1)       | end
beq       imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011 | x1, x2, target   | end
bne       imm[12|10:5] rs2 rs1 001 imm[4:1|11] 1100011 | x1, x2, target   | end
blt       imm[12|10:5] rs2 rs1 100 imm[4:1|11] 1100011 | x1, x2, target   | end
bge       imm[12|10:5] rs2 rs1 101 imm[4:1|11] 1100011 | x1, x2, target   | end
bltu      imm[12|10:5] rs2 rs1 110 imm[4:1|11] 1100011 | x1, x2, target   | end
bgeu      imm[12|10:5] rs2 rs1 111 imm[4:1|11] 1100011 | x1, x2, target   | end
lb        imm[11:0] rs1 000 rd 0000011                | xd, imm(x1)       | load
lh        imm[11:0] rs1 001 rd 0000011                | xd, imm(x1)       | load
lw        imm[11:0] rs1 010 rd 0000011                | xd, imm(x1)       | load
ld        imm[11:0] rs1 011 rd 0000011                | xd, imm(x1)       | load
lbu       imm[11:0] rs1 100 rd 0000011                | xd, imm(x1)       | load
lhu       imm[11:0] rs1 101 rd 0000011                | xd, imm(x1)       | load
lwu       imm[11:0] rs1 110 rd 0000011                | xd, imm(x1)       | load
sb        imm[11:5] rs2 rs1 000 imm[4:0] 0100011      | x2, imm(x1)       | store
sh        imm[11:5] rs2 rs1 001 imm[4:0] 0100011      | x2, imm(x1)       | store
sw        imm[11:5] rs2 rs1 010 imm[4:0] 0100011      | x2, imm(x1)       | store
sd        imm[11:5] rs2 rs1 011 imm[4:0] 0100011      | x2, imm(x1)       | store
addi      imm[11:0] rs1 000 rd 0010011                | xd, x1, imm
slti      imm[11:0] rs1 010 rd 0010011                | xd, x1, imm
sltiu     imm[11:0] rs1 011 rd 0010011                | xd, x1, imm
xori      imm[11:0] rs1 100 rd 0010011                | xd, x1, imm
ori       imm[11:0] rs1 110 rd 0010011                | xd, x1, imm
andi      imm[11:0] rs1 111 rd 0010011                | xd, x1, imm
slli      000000 uimm[5:0] rs1 001 rd 0010011         | xd, x1, imm
srli      000000 uimm[5:0] rs1 101 rd 0010011         | xd, x1, imm
srai      010000 uimm[5:0] rs1 101 rd 0010011         | xd, x1, imm
add       0000000 rs2 rs1 000 rd 0110011              | xd, x1, x2
sub       0100000 rs2 rs1 000 rd 0110011              | xd, x1, x2
sll       0000000 rs2 rs1 001 rd 0110011              | xd, x1, x2
slt       0000000 rs2 rs1 010 rd 0110011              | xd, x1, x2
sltu      0000000 rs2 rs1 011 rd 0110011              | xd, x1, x2
xor       0000000 rs2 rs1 100 rd 0110011              | xd, x1, x2
srl       0000000 rs2 rs1 101 rd 0110011              | xd, x1, x2
sra       0100000 rs2 rs1 101 rd 0110011              | xd, x1, x2
or        0000000 rs2 rs1 110 rd 0110011              | xd, x1, x2
and       0000000 rs2 rs1 111 rd 0110011              | xd, x1, x2
addiw     imm[11:0] rs1 000 rd 0011011                | xd, x1, imm
slliw     0000000 uimm[4:0] rs1 001 rd 0011011        | xd, x1, imm
srliw     0000000 uimm[4:0] rs1 101 rd 0011011        | xd, x1, imm
sraiw     0100000 uimm[4:0] rs1 101 rd 0011011        | xd, x1, imm
addw      0000000 rs2 rs1 000 rd 0111011              | xd, x1, x2
subw      0100000 rs2 rs1 000 rd 0111011              | xd, x1, x2
sllw      0000000 rs2 rs1 001 rd 0111011              | xd, x1, x2
srlw      0000000 rs2 rs1 101 rd 0111011              | xd, x1, x2
sraw      0100000 rs2 rs1 101 rd 0111011              | xd, x1, x2
# Reserved fields and fence modes are ignored: they only ever ask for less than a full fence.
fence     uimm[11:0] ----- 000 ----- 0001111          | fence
ecall     000000000000 00000 000 00000 1110011        |                   | end
ebreak    000000000001 00000 000 00000 1110011        |                   | end

[Zifencei]
fence.i   ------------ ----- 001 ----- 0001111        |                   | end

[Zicsr]
csrrw     csr rs1 001 rd 1110011                      | xd, csr, x1       | end
csrrs     csr rs1 010 rd 1110011                      | xd, csr, x1       | end
csrrc     csr rs1 011 rd 1110011                      | xd, csr, x1       | end
csrrwi    csr uimm[4:0] 101 rd 1110011                | xd, csr, imm      | end
csrrsi    csr uimm[4:0] 110 rd 1110011                | xd, csr, imm      | end
csrrci    csr uimm[4:0] 111 rd 1110011                | xd, csr, imm      | end

[Privileged]
sret      0001000 00010 00000 000 00000 1110011       |                   | end
mret      0011000 00010 00000 000 00000 1110011       |                   | end
wfi       0001000 00101 00000 000 00000 1110011       |                   | end
sfence.vma 0001001 rs2 rs1 000 00000 1110011          | x1, x2            | end

[Zicbom]
cbo.inval 0000000 00000 rs1 010 00000 0001111         | (x1)              | store
cbo.clean 0000000 00001 rs1 010 00000 0001111         | (x1)              | store
cbo.flush 0000000 00010 rs1 010 00000 0001111         | (x1)              | store
[Zicboz]
cbo.zero  0000000 00100 rs1 010 00000 0001111         | (x1)              | store

[M]
mul       0000001 rs2 rs1 000 rd 0110011              | xd, x1, x2
mulh      0000001 rs2 rs1 001 rd 0110011              | xd, x1, x2
mulhsu    0000001 rs2 rs1 010 rd 0110011              | xd, x1, x2
mulhu     0000001 rs2 rs1 011 rd 0110011              | xd, x1, x2
div       0000001 rs2 rs1 100 rd 0110011              | xd, x1, x2
divu      0000001 rs2 rs1 101 rd 0110011              | xd, x1, x2
rem       0000001 rs2 rs1 110 rd 0110011              | xd, x1, x2
remu      0000001 rs2 rs1 111 rd 0110011              | xd, x1, x2
mulw      0000001 rs2 rs1 000 rd 0111011              | xd, x1, x2
divw      0000001 rs2 rs1 100 rd 0111011              | xd, x1, x2
divuw     0000001 rs2 rs1 101 rd 0111011              | xd, x1, x2
remw      0000001 rs2 rs1 110 rd 0111011              | xd, x1, x2
remuw     0000001 rs2 rs1 111 rd 0111011              | xd, x1, x2

[A]
lr.w      00010 aqrl 00000 rs1 010 rd 0101111         | xd, (x1), aqrl     | load
sc.w      00011 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amoswap.w 00001 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amoadd.w  00000 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amoxor.w  00100 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amoand.w  01100 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amoor.w   01000 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amomin.w  10000 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amomax.w  10100 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amominu.w 11000 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
amomaxu.w 11100 aqrl rs2 rs1 010 rd 0101111           | xd, x2, (x1), aqrl | load store
lr.d      00010 aqrl 00000 rs1 011 rd 0101111         | xd, (x1), aqrl     | load
sc.d      00011 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amoswap.d 00001 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amoadd.d  00000 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amoxor.d  00100 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amoand.d  01100 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amoor.d   01000 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amomin.d  10000 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amomax.d  10100 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amominu.d 11000 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store
amomaxu.d 11100 aqrl rs2 rs1 011 rd 0101111           | xd, x2, (x1), aqrl | load store

[Zba]
add.uw    0000100 rs2 rs1 000 rd 0111011              | xd, x1, x2
sh1add    0010000 rs2 rs1 010 rd 0110011              | xd, x1, x2
sh2add    0010000 rs2 rs1 100 rd 0110011              | xd, x1, x2
sh3add    0010000 rs2 rs1 110 rd 0110011              | xd, x1, x2
sh1add.uw 0010000 rs2 rs1 010 rd 0111011              | xd, x1, x2
sh2add.uw 0010000 rs2 rs1 100 rd 0111011              | xd, x1, x2
sh3add.uw 0010000 rs2 rs1 110 rd 0111011              | xd, x1, x2
slli.uw   000010 uimm[5:0] rs1 001 rd 0011011         | xd, x1, imm

[Zbb]
andn      0100000 rs2 rs1 111 rd 0110011              | xd, x1, x2
orn       0100000 rs2 rs1 110 rd 0110011              | xd, x1, x2
xnor      0100000 rs2 rs1 100 rd 0110011              | xd, x1, x2
clz       0110000 00000 rs1 001 rd 0010011            | xd, x1
ctz       0110000 00001 rs1 001 rd 0010011            | xd, x1
cpop      0110000 00010 rs1 001 rd 0010011            | xd, x1
sext.b    0110000 00100 rs1 001 rd 0010011            | xd, x1
sext.h    0110000 00101 rs1 001 rd 0010011            | xd, x1
zext.h    0000100 00000 rs1 100 rd 0111011            | xd, x1
clzw      0110000 00000 rs1 001 rd 0011011            | xd, x1
ctzw      0110000 00001 rs1 001 rd 0011011            | xd, x1
cpopw     0110000 00010 rs1 001 rd 0011011            | xd, x1
min       0000101 rs2 rs1 100 rd 0110011              | xd, x1, x2
minu      0000101 rs2 rs1 101 rd 0110011              | xd, x1, x2
max       0000101 rs2 rs1 110 rd 0110011              | xd, x1, x2
maxu      0000101 rs2 rs1 111 rd 0110011              | xd, x1, x2
rol       0110000 rs2 rs1 001 rd 0110011              | xd, x1, x2
ror       0110000 rs2 rs1 101 rd 0110011              | xd, x1, x2
rori      011000 uimm[5:0] rs1 101 rd 0010011         | xd, x1, imm
rolw      0110000 rs2 rs1 001 rd 0111011              | xd, x1, x2
rorw      0110000 rs2 rs1 101 rd 0111011              | xd, x1, x2
roriw     0110000 uimm[4:0] rs1 101 rd 0011011        | xd, x1, imm
orc.b     001010000111 rs1 101 rd 0010011             | xd, x1
rev8      011010111000 rs1 101 rd 0010011             | xd, x1

[Zbs]
bclr      0100100 rs2 rs1 001 rd 0110011              | xd, x1, x2
bext      0100100 rs2 rs1 101 rd 0110011              | xd, x1, x2
binv      0110100 rs2 rs1 001 rd 0110011              | xd, x1, x2
bset      0010100 rs2 rs1 001 rd 0110011              | xd, x1, x2
bclri     010010 uimm[5:0] rs1 001 rd 0010011         | xd, x1, imm
bexti     010010 uimm[5:0] rs1 101 rd 0010011         | xd, x1, imm
binvi     011010 uimm[5:0] rs1 001 rd 0010011         | xd, x1, imm
bseti     001010 uimm[5:0] rs1 001 rd 0010011         | xd, x1, imm

[Zicond]
czero.eqz 0000111 rs2 rs1 101 rd 0110011              | xd, x1, x2
czero.nez 0000111 rs2 rs1 111 rd 0110011              | xd, x1, x2

[F]
flw       imm[11:0] rs1 010 rd 0000111                | fd, imm(x1)        | load fp
fsw       imm[11:5] rs2 rs1 010 imm[4:0] 0100111      | f2, imm(x1)        | store fp
fmadd.s   rs3 00 rs2 rs1 rm rd 1000011                | fd, f1, f2, f3, rm | fp
fmsub.s   rs3 00 rs2 rs1 rm rd 1000111                | fd, f1, f2, f3, rm | fp
fnmsub.s  rs3 00 rs2 rs1 rm rd 1001011                | fd, f1, f2, f3, rm | fp
fnmadd.s  rs3 00 rs2 rs1 rm rd 1001111                | fd, f1, f2, f3, rm | fp
fadd.s    0000000 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fsub.s    0000100 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fmul.s    0001000 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fdiv.s    0001100 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fsqrt.s   0101100 00000 rs1 rm rd 1010011             | fd, f1, rm         | fp
fsgnj.s   0010000 rs2 rs1 000 rd 1010011              | fd, f1, f2         | fp
fsgnjn.s  0010000 rs2 rs1 001 rd 1010011              | fd, f1, f2         | fp
fsgnjx.s  0010000 rs2 rs1 010 rd 1010011              | fd, f1, f2         | fp
fmin.s    0010100 rs2 rs1 000 rd 1010011              | fd, f1, f2         | fp
fmax.s    0010100 rs2 rs1 001 rd 1010011              | fd, f1, f2         | fp
fcvt.w.s  1100000 00000 rs1 rm rd 1010011             | xd, f1, rm         | fp
fcvt.wu.s 1100000 00001 rs1 rm rd 1010011             | xd, f1, rm         | fp
fcvt.l.s  1100000 00010 rs1 rm rd 1010011             | xd, f1, rm         | fp
fcvt.lu.s 1100000 00011 rs1 rm rd 1010011             | xd, f1, rm         | fp
fmv.x.w   1110000 00000 rs1 000 rd 1010011            | xd, f1             | fp
fclass.s  1110000 00000 rs1 001 rd 1010011            | xd, f1             | fp
feq.s     1010000 rs2 rs1 010 rd 1010011              | xd, f1, f2         | fp
flt.s     1010000 rs2 rs1 001 rd 1010011              | xd, f1, f2         | fp
fle.s     1010000 rs2 rs1 000 rd 1010011              | xd, f1, f2         | fp
fcvt.s.w  1101000 00000 rs1 rm rd 1010011             | fd, x1, rm         | fp
fcvt.s.wu 1101000 00001 rs1 rm rd 1010011             | fd, x1, rm         | fp
fcvt.s.l  1101000 00010 rs1 rm rd 1010011             | fd, x1, rm         | fp
fcvt.s.lu 1101000 00011 rs1 rm rd 1010011             | fd, x1, rm         | fp
fmv.w.x   1111000 00000 rs1 000 rd 1010011            | fd, x1             | fp

[D]
fld       imm[11:0] rs1 011 rd 0000111                | fd, imm(x1)        | load fp
fsd       imm[11:5] rs2 rs1 011 imm[4:0] 0100111      | f2, imm(x1)        | store fp
fmadd.d   rs3 01 rs2 rs1 rm rd 1000011                | fd, f1, f2, f3, rm | fp
fmsub.d   rs3 01 rs2 rs1 rm rd 1000111                | fd, f1, f2, f3, rm | fp
fnmsub.d  rs3 01 rs2 rs1 rm rd 1001011                | fd, f1, f2, f3, rm | fp
fnmadd.d  rs3 01 rs2 rs1 rm rd 1001111                | fd, f1, f2, f3, rm | fp
fadd.d    0000001 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fsub.d    0000101 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fmul.d    0001001 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fdiv.d    0001101 rs2 rs1 rm rd 1010011               | fd, f1, f2, rm     | fp
fsqrt.d   0101101 00000 rs1 rm rd 1010011             | fd, f1, rm         | fp
fsgnj.d   0010001 rs2 rs1 000 rd 1010011              | fd, f1, f2         | fp
fsgnjn.d  0010001 rs2 rs1 001 rd 1010011              | fd, f1, f2         | fp
fsgnjx.d  0010001 rs2 rs1 010 rd 1010011              | fd, f1, f2         | fp
fmin.d    0010101 rs2 rs1 000 rd 1010011              | fd, f1, f2         | fp
fmax.d    0010101 rs2 rs1 001 rd 1010011              | fd, f1, f2         | fp
fcvt.s.d  0100000 00001 rs1 rm rd 1010011             | fd, f1, rm         | fp
fcvt.d.s  0100001 00000 rs1 rm rd 1010011             | fd, f1, rm         | fp
feq.d     1010001 rs2 rs1 010 rd 1010011              | xd, f1, f2         | fp
flt.d     1010001 rs2 rs1 001 rd 1010011              | xd, f1, f2         | fp
fle.d     1010001 rs2 rs1 000 rd 1010011              | xd, f1, f2         | fp
fclass.d  1110001 00000 rs1 001 rd 1010011            | xd, f1             | fp
fcvt.w.d  1100001 00000 rs1 rm rd 1010011             | xd, f1, rm         | fp
fcvt.wu.d 1100001 00001 rs1 rm rd 1010011             | xd, f1, rm         | fp
fcvt.l.d  1100001 00010 rs1 rm rd 1010011             | xd, f1, rm         | fp
fcvt.lu.d 1100001 00011 rs1 rm rd 1010011             | xd, f1, rm         | fp
fcvt.d.w  1101001 00000 rs1 rm rd 1010011             | fd, x1, rm         | fp
fcvt.d.wu 1101001 00001 rs1 rm rd 1010011             | fd, x1, rm         | fp
fcvt.d.l  1101001 00010 rs1 rm rd 1010011             | fd, x1, rm         | fp
fcvt.d.lu 1101001 00011 rs1 rm rd 1010011             | fd, x1, rm         | fp
fmv.x.d   1110001 00000 rs1 000 rd 1010011            | xd, f1             | fp
fmv.d.x   1111001 00000 rs1 000 rd 1010011            | fd, x1             | fp
