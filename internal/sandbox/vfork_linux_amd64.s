#include "go_asm.h"
#include "textflag.h"

// func vfork(trap, a1, a2, a3 uintptr, calls *call, failed *failure) (pid, errno uintptr)
//
// The child shares the stack with its parent, which waits. So it pushes nothing
// and calls nothing: all that it needs stays in registers, which the kernel
// keeps (but CX and R11).
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-64
	MOVQ	trap+0(FP), AX
	MOVQ	a1+8(FP), DI
	MOVQ	a2+16(FP), SI
	MOVQ	a3+24(FP), DX
	MOVQ	calls+32(FP), BX
	MOVQ	failed+40(FP), R12
	XORL	R10, R10
	XORL	R8, R8
	XORL	R9, R9
	SYSCALL
	TESTQ	AX, AX
	JZ	child
	CMPQ	AX, $0xfffffffffffff001
	JCS	started
	NEGQ	AX
	MOVQ	$0, pid+48(FP)
	MOVQ	AX, errno+56(FP)
	RET
started:
	MOVQ	AX, pid+48(FP)
	MOVQ	$0, errno+56(FP)
	RET

child:
	XORL	R13, R13	// index of the call
next:
	MOVQ	call_number(BX), AX
	MOVQ	call_args+0(BX), DI
	MOVQ	call_args+8(BX), SI
	MOVQ	call_args+16(BX), DX
	MOVQ	call_args+24(BX), R10
	MOVQ	call_args+32(BX), R8
	XORL	R9, R9
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	fail
	MOVQ	call_want(BX), CX
	TESTQ	CX, CX
	JZ	done
	CMPQ	AX, CX
	JNE	unwanted
done:
	ADDQ	$call__size, BX
	INCQ	R13
	JMP	next
unwanted:
	MOVQ	$-3, AX		// ESRCH
fail:
	NEGQ	AX
	MOVQ	AX, failure_errno(R12)
	MOVQ	R13, failure_index(R12)
exit:
	MOVL	$231, AX	// exit_group
	MOVL	$1, DI
	SYSCALL
	JMP	exit
