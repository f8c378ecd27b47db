/* SPDX-License-Identifier: MIT
 *
 * The directory of a system daemon is closed to all others, so that its owner
 * is all that can be seen of it; one that can be looked into and has no socket
 * has no daemon.
 */
#include "cli/ask/elsewhere.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 1024

static const char *const places[] = {"/var/lib/warren", "/run/warren"};

#define PLACES (sizeof(places) / sizeof(places[0]))

/* A test has a system of its own. */
static void place_at(size_t i, char out[PATH_SIZE])
{
    const char *root = getenv("WARREN_TEST_ROOT");

    snprintf(out, PATH_SIZE, "%s%s", root == NULL ? "" : root, places[i]);
}

/* What a shell would read in another way is left to the reader. */
static void add_word(struct text *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_./:[]@%+,=-";

    if (word[0] != '\0' && strspn(word, plain) == strlen(word))
        text_addf(out, " %s", word);
    else
        text_add(out, " ...");
}

static bool finds_daemon(const char *option)
{
    return strcmp(option, "--data-dir") == 0 ||
           strcmp(option, "--control") == 0 || strcmp(option, "--config") == 0;
}

/* "sudo -u warren warren status ..." for the owner of files. */
static void add_command(const struct cli *cli, uid_t owner, struct text *out)
{
    const struct passwd *user = getpwuid(owner);
    const struct cli_option *option;

    if (owner != geteuid() && user != NULL && owner != 0)
        text_addf(out, "sudo -u %s ", user->pw_name);
    else if (owner != geteuid())
        text_add(out, "sudo ");
    text_addf(out, "warren %s", cli->verb->name);
    for (size_t i = 0; (option = cli_option_at(cli->verb, i)) != NULL; i++) {
        if (cli->values[i] == NULL || finds_daemon(option->name))
            continue;
        text_addf(out, " %s", option->name);
        if (option->value != NULL)
            add_word(out, cli->values[i]);
    }
    for (unsigned i = 0; i < cli->verb->arg_count && cli->args[i] != NULL; i++)
        add_word(out, cli->args[i]);
}

/* Whether a daemon is in `dir`, as far as this user can see. */
static bool may_be_in(const char *dir, struct stat *out)
{
    char socket[PATH_SIZE + 16];
    struct stat st;

    if (stat(dir, out) != 0 || !S_ISDIR(out->st_mode))
        return false;
    snprintf(socket, sizeof(socket), "%s/control.sock", dir);
    return stat(socket, &st) == 0 ? S_ISSOCK(st.st_mode) : errno == EACCES;
}

bool elsewhere_say(const struct cli *cli, const char *looked_at,
                   struct text *why)
{
    char dir[PATH_SIZE];
    struct stat st;

    for (size_t i = 0; i < PLACES; i++) {
        place_at(i, dir);
        if (strncmp(looked_at, dir, strlen(dir)) == 0 || !may_be_in(dir, &st))
            continue;
        text_addf(why,
                  "no daemon of yours listens on %s; that of the system "
                  "is asked with: ",
                  looked_at);
        add_command(cli, st.st_uid, why);
        text_addf(why, " --data-dir %s", dir);
        return true;
    }
    return false;
}

void elsewhere_say_owner(const struct cli *cli, const char *control,
                         struct text *why)
{
    char path[PATH_SIZE];
    struct stat st;
    char *slash;

    snprintf(path, sizeof(path), "%s", control);
    while (stat(path, &st) != 0) {
        slash = strrchr(path, '/');
        if (errno != EACCES || slash == NULL || slash == path)
            return;
        *slash = '\0';
    }
    if (st.st_uid == geteuid())
        return;
    text_add(why, "; ask as its owner: ");
    add_command(cli, st.st_uid, why);
    text_addf(why, " --control %s", control);
}
