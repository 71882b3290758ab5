// Source of accelerator-probe-arm64.bin, which machines/accelerator.ts runs under emulation and with KVM: 2*10^8 steps, then
// the machine is switched off by PSCI's SYSTEM_OFF. QEMU takes a file without a header for code, whatever its address.
//
//   aarch64-linux-gnu-as accelerator-probe-arm64.s -o probe.o
//   aarch64-linux-gnu-objcopy -O binary probe.o accelerator-probe-arm64.bin
        mrs     x0, sctlr_el1
        orr     x0, x0, #0x1000         // instructions from the cache: else a real processor fetches each from memory
        msr     sctlr_el1, x0
        isb
        movz    x1, #0xc200
        movk    x1, #0x0beb, lsl #16
step:   subs    x1, x1, #1
        b.ne    step
        movz    w0, #0x0008
        movk    w0, #0x8400, lsl #16
        hvc     #0
wait:   b       wait
