import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const config = new pulumi.Config();
const count = config.getNumber("count") ?? 2;
const version = config.get("version") ?? "1";

const image = new mayfly.Image("debian", { debian: {} });

// Each release is beside the others, `current` says which one is in use; one VM after the other gets it.
let previous: mayfly.SshCommand[] = [];
const deployed = Array.from({ length: count }, (_, index) => {
  const vm = new mayfly.VM(`app${index}`, { image, cpus: 1, network: "isolated" });
  const release = new mayfly.DirectorySync(`release${index}`, {
    vm,
    source: `releases/${version}`,
    remotePath: `/srv/app/releases/${version}`,
  });
  const activated = new mayfly.SshCommand(
    `activate${index}`,
    {
      vm,
      // A release that does not work is not made current: `up` ends here, and the VMs that come after keep theirs.
      create: `
        set -e
        releases/$VERSION/bin/check
        ln -sfn releases/$VERSION next && mv -T next current
        current/bin/app`,
      directory: "/srv/app",
      environment: { VERSION: version },
      triggers: [release.sourceHash],
    },
    { dependsOn: previous },
  );
  previous = [activated];
  return activated.stdout;
});

/** What each VM's release says of itself. */
export const running = deployed;
