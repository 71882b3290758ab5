; Accelerator probe: a 512-byte boot sector. Real mode, long mode, 2*10^8 steps of work, then exit code 33 by isa-debug-exit.
; nasm -f bin -o accelerator-probe.bin accelerator-probe.asm
bits 16
org 0x7c00
start:
  cli
  xor ax,ax
  mov ds,ax
  mov es,ax
  mov ss,ax
  mov sp,0x7c00
  in al,0x92
  or al,2
  out 0x92,al
  ; page tables at 0x1000..0x3fff : identity 1 GiB by 2M page
  mov edi,0x1000
  mov cr3,edi
  xor eax,eax
  mov ecx,0x3000/4
  mov di,0x1000
  cld
  rep stosd
  mov dword [0x1000],0x2003
  mov dword [0x2000],0x3003
  mov dword [0x3000],0x83
  mov eax,cr4
  or eax,1<<5
  mov cr4,eax
  mov ecx,0xC0000080
  rdmsr
  or eax,1<<8
  wrmsr
  mov eax,cr0
  or eax,0x80000001
  mov cr0,eax
  lgdt [gdtr]
  jmp 8:lm
bits 64
lm:
  mov ax,16
  mov ds,ax
  mov ss,ax
  mov rsp,0x7c00
  ; do some 64-bit work: 2e8 loop with memory + sse
  mov rcx,200000000
  mov rdx,0x123456789abcdef0
.l: imul rdx,rdx,1103515245
  add rdx,12345
  mov [0x8000],rdx
  dec rcx
  jnz .l
  mov al,0x10          ; exit code (0x10<<1)|1 = 33
  out 0xf4,al
h: hlt
  jmp h
align 8
gdt: dq 0
  dq 0x00209A0000000000
  dq 0x0000920000000000
gdtr: dw 23
  dd gdt
times 510-($-$$) db 0
dw 0xaa55
