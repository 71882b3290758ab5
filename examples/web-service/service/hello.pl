# A small HTTP server, of what is in every Debian. It listens on the VM's own loopback: the forward is the only way in.
use strict;
use warnings;
use IO::Socket::INET;

my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 64, ReuseAddr => 1)
  or die "cannot listen: $!";
system("systemd-notify", "--ready");
while (my $client = $server->accept) {
  my $request = <$client> // "";
  while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
  my ($path) = $request =~ m{^GET (\S+) };
  my $body = "hello from " . `hostname` . "you asked for " . ($path // "nothing") . "\n";
  print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
  close $client;
}
