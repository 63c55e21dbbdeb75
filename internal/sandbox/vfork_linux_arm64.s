#include "go_asm.h"
#include "textflag.h"

// func vfork(trap, a1, a2, a3 uintptr, calls *call, failed *failure) (pid, errno uintptr)
//
// The child shares the stack with its parent, which waits. So it pushes nothing
// and calls nothing: all that it needs stays in registers, which the kernel
// keeps (but R0).
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-64
	MOVD	trap+0(FP), R8
	MOVD	a1+8(FP), R0
	MOVD	a2+16(FP), R1
	MOVD	a3+24(FP), R2
	MOVD	calls+32(FP), R9
	MOVD	failed+40(FP), R10
	MOVD	ZR, R3
	MOVD	ZR, R4
	MOVD	ZR, R5
	SVC
	CBZ	R0, child
	CMN	$4095, R0
	BCC	started
	NEG	R0, R0
	MOVD	ZR, pid+48(FP)
	MOVD	R0, errno+56(FP)
	RET
started:
	MOVD	R0, pid+48(FP)
	MOVD	ZR, errno+56(FP)
	RET

child:
	MOVD	ZR, R11		// index of the call
next:
	MOVD	call_number(R9), R8
	MOVD	call_args+0(R9), R0
	MOVD	call_args+8(R9), R1
	MOVD	call_args+16(R9), R2
	MOVD	call_args+24(R9), R3
	MOVD	call_args+32(R9), R4
	MOVD	ZR, R5
	SVC
	CMN	$4095, R0
	BCS	fail
	MOVD	call_want(R9), R12
	CBZ	R12, done
	CMP	R12, R0
	BNE	unwanted
done:
	ADD	$call__size, R9
	ADD	$1, R11
	B	next
unwanted:
	MOVD	$-3, R0		// ESRCH
fail:
	NEG	R0, R0
	MOVD	R0, failure_errno(R10)
	MOVD	R11, failure_index(R10)
exit:
	MOVD	$94, R8		// exit_group
	MOVD	$1, R0
	SVC
	B	exit
