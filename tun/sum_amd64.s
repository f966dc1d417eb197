#include "textflag.h"

// func sumAVX2(b *byte, n int) uint64
//
// Each vector of 8 words of 32 bits is added to two of 64 bits: the low halves of its
// quadwords, and the high ones.
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ    b+0(FP), SI
	MOVQ    n+8(FP), CX
	VPXOR   Y0, Y0, Y0
	VPXOR   Y1, Y1, Y1
	VPXOR   Y2, Y2, Y2
	VPXOR   Y3, Y3, Y3
	VPCMPEQD Y7, Y7, Y7
	VPSRLQ  $32, Y7, Y7

loop:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VPAND   Y4, Y7, Y6
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y6, Y0, Y0
	VPADDQ  Y4, Y1, Y1
	VPAND   Y5, Y7, Y6
	VPSRLQ  $32, Y5, Y5
	VPADDQ  Y6, Y2, Y2
	VPADDQ  Y5, Y3, Y3
	ADDQ    $64, SI
	SUBQ    $64, CX
	JNZ     loop

	VPADDQ  Y1, Y0, Y0
	VPADDQ  Y3, Y2, Y2
	VPADDQ  Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ  X1, X0, X0
	VPSRLDQ $8, X0, X1
	VPADDQ  X1, X0, X0
	VMOVQ   X0, AX
	VZEROUPPER
	MOVQ    AX, ret+16(FP)
	RET

// func sumCopyAVX2(dst, b *byte, n int) uint64
TEXT ·sumCopyAVX2(SB), NOSPLIT, $0-32
	MOVQ    dst+0(FP), DI
	MOVQ    b+8(FP), SI
	MOVQ    n+16(FP), CX
	VPXOR   Y0, Y0, Y0
	VPXOR   Y1, Y1, Y1
	VPXOR   Y2, Y2, Y2
	VPXOR   Y3, Y3, Y3
	VPCMPEQD Y7, Y7, Y7
	VPSRLQ  $32, Y7, Y7

loop:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VMOVDQU Y4, (DI)
	VMOVDQU Y5, 32(DI)
	VPAND   Y4, Y7, Y6
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y6, Y0, Y0
	VPADDQ  Y4, Y1, Y1
	VPAND   Y5, Y7, Y6
	VPSRLQ  $32, Y5, Y5
	VPADDQ  Y6, Y2, Y2
	VPADDQ  Y5, Y3, Y3
	ADDQ    $64, SI
	ADDQ    $64, DI
	SUBQ    $64, CX
	JNZ     loop

	VPADDQ  Y1, Y0, Y0
	VPADDQ  Y3, Y2, Y2
	VPADDQ  Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ  X1, X0, X0
	VPSRLDQ $8, X0, X1
	VPADDQ  X1, X0, X0
	VMOVQ   X0, AX
	VZEROUPPER
	MOVQ    AX, ret+24(FP)
	RET
