/* First process of every node and of every pod: reaps what is orphaned there and waits to be told
 * to go. With an argument it ends at once: a Job's work is done. */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
  (void)arguments;
  if (count > 1) return 0;
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGCHLD);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  for (;;) {
    int got = 0;
    if (sigwait(&wanted, &got) != 0) return 1;
    if (got != SIGCHLD) return 0;
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  }
}
