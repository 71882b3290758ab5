/** Empty PCI Express slots, eight functions of one device each. */
export function slotArgs(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const [device, part] = [0x10 + Math.floor(index / 8), index % 8];
    const address = `addr=0x${device.toString(16)}.${String(part)}${part === 0 ? ",multifunction=on" : ""}`;
    return [
      "-device",
      `pcie-root-port,id=${slotName(index)},chassis=${String(index + 1)},slot=${String(index + 1)},${address}`,
    ];
  }).flat();
}

/** Name of a slot, as `bus` of a device that is plugged in. */
export function slotName(index: number): string {
  return `slot${String(index)}`;
}
