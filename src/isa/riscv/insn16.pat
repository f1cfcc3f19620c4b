# The compressed instructions (extension C of RV64 with F and D), one a line:
#
#     NAME   BITS   => INSTRUCTION   [FIELD=VALUE ...]   [| CONDITION ...]
#
# BITS as in insn32.pat; rd' rs1' rs2' are the 3-bit forms, x8 to x15. A line decodes to an INSTRUCTION of
# insn32.pat: fields that the line's bits do not give are set by FIELD=VALUE, a number or another field.
# CONDITION: FIELD!=VALUE, of a register or the immediate. What no line matches is reserved, and illegal; HINTs
# decode to instructions without an effect. [RISC-V unpriv 16.8]

c.addi4spn 000 uimm[5:4|9:6|2|3] rd' 00              => addi rs1=2           | imm!=0
c.fld      001 uimm[5:3] rs1' uimm[7:6] rd' 00       => fld
c.lw       010 uimm[5:3] rs1' uimm[2|6] rd' 00       => lw
c.ld       011 uimm[5:3] rs1' uimm[7:6] rd' 00       => ld
c.fsd      101 uimm[5:3] rs1' uimm[7:6] rs2' 00      => fsd
c.sw       110 uimm[5:3] rs1' uimm[2|6] rs2' 00      => sw
c.sd       111 uimm[5:3] rs1' uimm[7:6] rs2' 00      => sd

c.addi     000 imm[5] rd imm[4:0] 01                 => addi rs1=rd
c.addiw    001 imm[5] rd imm[4:0] 01                 => addiw rs1=rd         | rd!=0
c.li       010 imm[5] rd imm[4:0] 01                 => addi rs1=0
c.addi16sp 011 imm[9] 00010 imm[4|6|8:7|5] 01        => addi rd=2 rs1=2      | imm!=0
c.lui      011 imm[17] rd imm[16:12] 01              => lui                  | rd!=2 imm!=0
c.srli     100 uimm[5] 00 rd' uimm[4:0] 01           => srli rs1=rd
c.srai     100 uimm[5] 01 rd' uimm[4:0] 01           => srai rs1=rd
c.andi     100 imm[5] 10 rd' imm[4:0] 01             => andi rs1=rd
c.sub      100 0 11 rd' 00 rs2' 01                   => sub rs1=rd
c.xor      100 0 11 rd' 01 rs2' 01                   => xor rs1=rd
c.or       100 0 11 rd' 10 rs2' 01                   => or rs1=rd
c.and      100 0 11 rd' 11 rs2' 01                   => and rs1=rd
c.subw     100 1 11 rd' 00 rs2' 01                   => subw rs1=rd
c.addw     100 1 11 rd' 01 rs2' 01                   => addw rs1=rd
c.j        101 imm[11|4|9:8|10|6|7|3:1|5] 01         => jal rd=0
c.beqz     110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01     => beq rs2=0
c.bnez     111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01     => bne rs2=0

c.slli     000 uimm[5] rd uimm[4:0] 10               => slli rs1=rd
c.fldsp    001 uimm[5] rd uimm[4:3|8:6] 10           => fld rs1=2
c.lwsp     010 uimm[5] rd uimm[4:2|7:6] 10           => lw rs1=2             | rd!=0
c.ldsp     011 uimm[5] rd uimm[4:3|8:6] 10           => ld rs1=2             | rd!=0
c.jr       100 0 rs1 00000 10                        => jalr rd=0            | rs1!=0
c.mv       100 0 rd rs2 10                           => add rs1=0            | rs2!=0
c.ebreak   100 1 00000 00000 10                      => ebreak
c.jalr     100 1 rs1 00000 10                        => jalr rd=1            | rs1!=0
c.add      100 1 rd rs2 10                           => add rs1=rd           | rs2!=0
c.fsdsp    101 uimm[5:3|8:6] rs2 10                  => fsd rs1=2
c.swsp     110 uimm[5:2|7:6] rs2 10                  => sw rs1=2
c.sdsp     111 uimm[5:3|8:6] rs2 10                  => sd rs1=2
