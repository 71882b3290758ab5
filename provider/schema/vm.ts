import { z } from "zod";
import { checkDisks, disks, labels, swap, systemdUnits } from "./additions";
import { allowList, checkAllow } from "./allow";
import { checkEnvironment } from "./environment";
import { duration, environment, hostname, imageName, publicKeyLine, text } from "./fields";
import { filledFrom } from "./filled-from";
import { checkFirstBoot, ignition, userData } from "./first-boot";
import { cpus, disk, kernelArgs, memory } from "./machine-shape";
import { checkMounts, mounts } from "./mounts";
import { memberships } from "./network";
import { checkPorts, publishedPorts } from "./published-ports";
import type { Complain } from "./rule";
import { checkAccess, users } from "./users";

/** Inputs of {@link VM}. Types, checks, defaults and reference docs all come from here. */
export const vmSchema = z
  .strictObject({
    /** What to boot: any OCI image by name (`localhost/x`, `quay.io/x/y:tag`), or a `mayfly.Image`. */
    image: imageName,
    /** Whether it is a disk image, which its name tells only at `up`; the SDK fills it in. @default false */
    fromDisk: filledFrom("image", z.boolean().default(false)),
    /** Id of the `mayfly.Image`, from which preview tells that it will be another one; the SDK fills it in. */
    imageId: filledFrom("image", text.optional()),
    /** Virtual CPUs. @default 2 */
    cpus,
    /** Memory: `"512MiB"`, `"2GiB"`, or a number of MiB; at least 128 MiB. @default "1GiB" */
    memory,
    /**
     * Scratch disk for what the guest writes, instead of its memory: `"10GiB"`. Sparse on the host; gone with the VM. With
     * a disk image the size that its disk grows to. @default none; with a disk image, the size that it has
     */
    disk,
    /** Files of the host that the guest sees as further disks: images of disks, raw or qcow2. @default [] */
    disks: disks.default([]),
    /** A disk of this size to swap to, in use when the VM is up: `"2GiB"`. Sparse on the host; gone with the VM. @default none */
    swap,
    /** Host directories in the guest. @default [] */
    mounts: mounts.default([]),
    /** Guest ports on the host, beside SSH. @default [] */
    ports: publishedPorts.default([]),
    /**
     * The way out. `user`: the guest reaches out, nothing reaches in but what is declared. `isolated`: only SSH and `ports`,
     * and out what `allow` lists.
     * Neither has to do with `networks`: an isolated VM that is in one talks to the VMs in it, and to nobody else.
     * The guest has IPv4 only. It does not get the host's proxies: `environment: { http_proxy: "http://…" }` gives logins
     * one, while apt, for its own timers, wants it in `/etc/apt/apt.conf.d`. A proxy that listens on this host comes in by a
     * `PortForward` of type `remote`. @default "user"
     */
    network: z.enum(["user", "isolated"], 'must be "user" or "isolated"').default("user"),
    /**
     * What an `isolated` VM may reach all the same: `"db.example.com:5432"`, `"192.0.2.7:443"`. TCP only; all else stays
     * closed, UDP and DNS too. Names are looked up by this host when the VM starts, and are in the guest's `/etc/hosts`; a
     * name whose addresses have changed since needs a new VM. This host's outward addresses may be declared, its loopback
     * may not. With a disk image addresses only. Needs `ip` (iproute2), as an isolated disk image always does. @default []
     */
    allow: allowList.default([]),
    /** Private networks that the VM is in, beside its way out. At most 8. @default [] */
    networks: memberships.default([]),
    /** Ids of these networks, in the same order; the SDK fills them in. @default [] */
    networkIds: filledFrom("networks", z.array(text).default([])),
    /**
     * Users beside root. Changes apply to the running VM: one that is taken out goes with all that it runs; an account of the
     * image's own stays, and only its keys, its sessions and what was declared for it go. @default []
     */
    users: users.default([]),
    /** More public keys that may log in as root, beside the VM's own. Changes apply to the running VM. @default [] */
    authorizedKeys: z.array(publicKeyLine).default([]),
    /**
     * The key that `connection` uses, by its private half or by the agent that has it. With the public half alone the VM
     * lets that key in too, and `connection` uses a pair of the VM's own. Changes apply to the running VM.
     */
    sshKey: z
      .strictObject({
        /** One line of OpenSSH's form. */
        publicKey: publicKeyLine,
        /** OpenSSH's or PEM form, without passphrase. Secret. */
        privateKey: text.optional(),
        /** Socket of the ssh-agent that has the private half. */
        agentSocketPath: text.optional(),
      })
      .optional(),
    /**
     * Whether root may log in. `false`: no key opens root from outside any more, the VM's own neither, and root's open
     * sessions end; `connection` logs in as the first of `users`. Changes apply to the running VM, within a second.
     * @default true
     */
    rootLogin: z.boolean().default(true),
    /** The guest's host name. @default the resource's name, where all but letters, digits and hyphens become hyphens */
    hostname: hostname.optional(),
    /** Added to the kernel's command line. @default [] */
    kernelArgs,
    /**
     * For cloud-init in the guest, through its source NoCloud: `#cloud-config` and all else that it takes as user data, at
     * most 512 KiB. The image has to have cloud-init (Debian: the package `cloud-init`), else `BAD_INPUT`, at preview where
     * the image is here by then; of a disk image it shows in the guest, `BOOT_FAILED`. The VM boots through its kernel, never
     * from a template, and is up when cloud-init is done (not with `waitFor: "none"`), within `bootTimeout`; where that ends
     * with an error, `BOOT_FAILED`. Network, host key and who may log in stay what this VM declares: keys in it open nothing,
     * they belong in `users`. Secret. @default none
     */
    userData: userData.optional(),
    /**
     * For Ignition in the guest (Fedora CoreOS, Flatcar; Debian's package `ignition`): its configuration as JSON, at most
     * 512 KiB. An image that has Ignition has it run before its init starts, once in the life of what the VM's root is
     * written to; with a disk image it is up to that one's own initramfs, and the disk has to take this VM's identity by
     * systemd's credentials. Fails as `userData` where there is none, and with `BOOT_FAILED` and Ignition's words where it
     * fails. The VM boots through its kernel, never from a template. Who may log in stays what this VM declares; the kernel's
     * command line is `kernelArgs`. Secret. @default none
     */
    ignition: ignition.optional(),
    /**
     * Variables for every login session, by /etc/environment, and for a container image's entrypoint. Each in one line, of
     * 8 KiB at most, without `#`; 48 KiB in all. @default {}
     */
    environment: environment.default({}),
    /**
     * Units for the guest's systemd, text by file name: `{ "app.service": "[Unit]…" }`, or a drop-in,
     * `"ssh.service.d/more.conf"`. Those with an `[Install]` section are enabled and started at every boot. @default {}
     */
    systemdUnits: systemdUnits.default({}),
    /** Labels of the VM's container, for `podman ps --filter label=NAME=VALUE` and `mayfly ls`. @default {} */
    labels: labels.default({}),
    /**
     * Start from a template: the saved memory of a VM of the same shape (image, CPUs, memory, disk, kernel arguments)
     * that has booted and waits for its identity. `auto` makes the template if there is none, and boots through the kernel
     * where that cannot be; `required` fails there with `NO_TEMPLATE`; `never` always boots through the kernel.
     * @default "auto"
     */
    warmBoot: z.enum(["auto", "never", "required"], 'must be "auto", "never" or "required"').default("auto"),
    /** `kvm` fails where KVM was not proved on this host; `auto` takes it where it was, else `tcg`. @default "auto" */
    accelerator: z.enum(["auto", "kvm", "tcg"], 'must be "auto", "kvm" or "tcg"').default("auto"),
    /**
     * The VM is removed this long after it came up: seconds, or `"2h"`; the next `up` makes a new one. A change applies to
     * the running VM, and counts from the change. @default never
     */
    expiresAfter: duration.optional(),
    /**
     * What `up` waits for. `ssh`: a login. `systemd`: also `systemctl is-system-running`. `none`: only that it starts.
     * @default "ssh"
     */
    waitFor: z.enum(["ssh", "systemd", "none"], 'must be "ssh", "systemd" or "none"').default("ssh"),
    /** Longest boot, in seconds or `"5m"`, before the VM is given up and removed. @default 300 */
    bootTimeout: duration.default(300),
  })
  // Each by itself: at preview those wait that look at what is not known yet.
  .check(
    ...[
      checkWarmBoot,
      checkEnvironment,
      checkAccess,
      checkMounts,
      checkDisks,
      checkPorts,
      checkAllow,
      checkFirstBoot,
    ].map((rule) => ({ value, issues }: z.core.ParsePayload<VMSpec>) => {
      rule(value, (path, message) => issues.push({ code: "custom", path, message, input: value, continue: true }));
    }),
  );

/** A start from a template that nobody would wait for. */
function checkWarmBoot({ warmBoot, waitFor }: Pick<VMSpec, "warmBoot" | "waitFor">, complain: Complain): void {
  if (warmBoot === "required" && waitFor === "none")
    complain(
      ["warmBoot"],
      'must not be "required" with waitFor "none": a restored guest has its identity only by waiting',
    );
}

/** What a program may write. */
export type VMInputs = z.input<typeof vmSchema>;
/** Checked, defaults filled in: sizes in MiB, durations in seconds. */
export type VMSpec = z.output<typeof vmSchema>;
