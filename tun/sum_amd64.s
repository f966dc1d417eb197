#include "textflag.h"

// Y0 to Y3: sums of 64 bits; Y7: the low half of each quadword.
#define ZERO \
	VPXOR Y0, Y0, Y0; \
	VPXOR Y1, Y1, Y1; \
	VPXOR Y2, Y2, Y2; \
	VPXOR Y3, Y3, Y3; \
	VPCMPEQD Y7, Y7, Y7; \
	VPSRLQ $32, Y7, Y7

// Each vector of 8 words of 32 bits, Y4 and Y5, is added to two of 64 bits: the low halves
// of its quadwords, and the high ones.
#define ADD \
	VPAND Y4, Y7, Y6; \
	VPSRLQ $32, Y4, Y4; \
	VPADDQ Y6, Y0, Y0; \
	VPADDQ Y4, Y1, Y1; \
	VPAND Y5, Y7, Y6; \
	VPSRLQ $32, Y5, Y5; \
	VPADDQ Y6, Y2, Y2; \
	VPADDQ Y5, Y3, Y3

// AX: the sum of all.
#define TOTAL \
	VPADDQ Y1, Y0, Y0; \
	VPADDQ Y3, Y2, Y2; \
	VPADDQ Y2, Y0, Y0; \
	VEXTRACTI128 $1, Y0, X1; \
	VPADDQ X1, X0, X0; \
	VPSRLDQ $8, X0, X1; \
	VPADDQ X1, X0, X0; \
	VMOVQ X0, AX; \
	VZEROUPPER

// func sumAVX2(b *byte, n int) uint64
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ    b+0(FP), SI
	MOVQ    n+8(FP), CX
	ZERO

loop:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	ADD
	ADDQ    $64, SI
	SUBQ    $64, CX
	JNZ     loop

	TOTAL
	MOVQ    AX, ret+16(FP)
	RET

// func sumCopyAVX2(dst, b *byte, n int) uint64
TEXT ·sumCopyAVX2(SB), NOSPLIT, $0-32
	MOVQ    dst+0(FP), DI
	MOVQ    b+8(FP), SI
	MOVQ    n+16(FP), CX
	ZERO

loop:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VMOVDQU Y4, (DI)
	VMOVDQU Y5, 32(DI)
	ADD
	ADDQ    $64, SI
	ADDQ    $64, DI
	SUBQ    $64, CX
	JNZ     loop

	TOTAL
	MOVQ    AX, ret+24(FP)
	RET
