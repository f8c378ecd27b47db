/* SPDX-License-Identifier: MIT
 *
 * nsswitch.conf says who is asked for names: only files and our resolver, and
 * then none of the others is asked, whatever is installed. That their sockets
 * are hidden as well is for programs that ask them without it.
 */
#include "cli/exec/exec_hide.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE        "/tmp" /* where files are made, for a moment */
#define RESOLV_CONF  "/etc/resolv.conf"
#define NSSWITCH     "/etc/nsswitch.conf"
#define NSSWITCH_MAX ((size_t)64 * 1024)
#define PATH_SIZE    4096
#define RUN_SIZE     32

/* Without a list of domains the machine's own would be one, and go to exits. */
static const char resolv_conf[] =
    "# by warren exec\nnameserver 127.0.0.1\nsearch .\n";
static const char hosts[] = "hosts: files dns\n";

/* Who resolves names for others, fetches for them, or runs what they say
 * outside of the namespace. */
static const char *const system_sockets[] = {
    "/run/nscd/socket",
    "/run/nslcd/socket",
    "/run/avahi-daemon/socket",
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/systemd/resolve/io.systemd.Resolve.Monitor",
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/snapd.socket",
};
/* In $XDG_RUNTIME_DIR, and in /run/user/UID: a program can look there without
 * being told. */
static const char *const user_sockets[] = {
    "bus",         "systemd/private",    "gnupg/S.dirmngr",
    "docker.sock", "podman/podman.sock",
};

static enum error say(struct text *why, const char *what)
{
    text_addf(why, "%s: %s", what, strerror(errno));
    return ERR_UNSUPPORTED;
}

/* In the place of a socket: a file that nobody listens at. */
static enum error hide(const char *path, struct text *why)
{
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return OK; /* it is not there, or not this user's to reach */
    return mount("/dev/null", path, NULL, MS_BIND, NULL) == 0 ? OK
                                                              : say(why, path);
}

static enum error hide_in(const char *folder, const char *name,
                          struct text *why)
{
    char path[PATH_SIZE];

    if (folder == NULL || snprintf(path, sizeof(path), "%s/%s", folder, name) >=
                              (int)sizeof(path))
        return OK;
    return hide(path, why);
}

static enum error hide_sockets(struct text *why)
{
    char run[RUN_SIZE];
    enum error e = OK;

    snprintf(run, sizeof(run), "/run/user/%u", getuid());
    for (size_t i = 0;
         i < sizeof(system_sockets) / sizeof(system_sockets[0]) && e == OK; i++)
        e = hide(system_sockets[i], why);
    for (size_t i = 0;
         i < sizeof(user_sockets) / sizeof(user_sockets[0]) && e == OK; i++) {
        e = hide_in(getenv("XDG_RUNTIME_DIR"), user_sockets[i], why);
        if (e == OK)
            e = hide_in(run, user_sockets[i], why);
    }
    if (e == OK)
        e = hide_in(getenv("HOME"), ".gnupg/S.dirmngr", why);
    return e;
}

/* ---- Files -------------------------------------------------------------- */

/* At the place of `path`, where there is such a file. */
static enum error replace(const char *path, const char *text, size_t len,
                          struct text *why)
{
    char made[PATH_SIZE];
    bool done;
    int fd;

    if (access(path, F_OK) != 0)
        return OK;
    snprintf(made, sizeof(made), PLACE "%s", strrchr(path, '/'));
    fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return say(why, made);
    done = write(fd, text, len) == (ssize_t)len && fchmod(fd, 0644) == 0;
    close(fd);
    return done && mount(made, path, NULL, MS_BIND, NULL) == 0 ? OK
                                                               : say(why, path);
}

static bool is_hosts(const char *line)
{
    line += strspn(line, " \t");
    return strncmp(line, "hosts", 5) == 0 &&
           line[5 + strspn(line + 5, " \t")] == ':';
}

/* As it is but for the line of hosts. */
static enum error replace_nsswitch(struct text *why)
{
    char line[PATH_SIZE];
    FILE *f = fopen(NSSWITCH, "re");
    struct text out;
    enum error e;

    if (f == NULL)
        return OK;
    text_init(&out, NSSWITCH_MAX);
    text_add(&out, hosts);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (!is_hosts(line))
            text_add(&out, line);
    }
    fclose(f);
    e = replace(NSSWITCH, text_get(&out), out.len, why);
    text_deinit(&out);
    return e;
}

enum error exec_hide(struct text *why)
{
    enum error e;

    /* What is mounted later outside is seen, and nothing of ours there. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return say(why, "mounts");
    e = hide_sockets(why);
    if (e == OK && mount("tmpfs", PLACE, "tmpfs", 0, "mode=700") != 0)
        e = say(why, "tmpfs");
    if (e == OK)
        e = replace(RESOLV_CONF, resolv_conf, strlen(resolv_conf), why);
    if (e == OK)
        e = replace_nsswitch(why);
    if (e == OK && umount2(PLACE, MNT_DETACH) != 0)
        e = say(why, PLACE);
    return e;
}
