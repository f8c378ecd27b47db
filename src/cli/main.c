/* SPDX-License-Identifier: MIT
 *
 * The program: a verb, and then whether all that it printed has got out. That
 * is asked here, behind every way through the command line.
 */
#include "cli/cli.h"
#include "cli/show/exit_code.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

extern char **environ;

/* Standard output is a full disk, a closed file or a lost file server. An
 * error may have come long before the end, when its reason is forgotten. */
static int end_output(int code)
{
    bool lost = ferror(stdout) != 0;

    errno = 0;
    if (fflush(stdout) != 0 || fclose(stdout) != 0)
        lost = true;
    if (!lost)
        return code;
    fprintf(stderr, "warren: cannot write the output%s%s\n",
            errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
    return code == EXIT_DONE ? EXIT_TROUBLE : code;
}

int main(int argc, char **argv)
{
    return end_output(cli_main(argc, argv, environ));
}
