/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store_prepare: creates or checks a directory at start, perhaps as root.
 *
 * As root, the path is walked one component at a time; each is opened relative
 * to the previous one, and links are followed only by this code. User may
 * change a directory that it can write to at any time, so nothing below such a
 * directory is done with root's rights. Whether User can write is tried in a
 * forked process that became User, since mode bits, groups, ACLs and read-only
 * mounts are for the kernel to evaluate. Changes only the owner of directories
 * that it created. What other users could do is judged from owners and mode
 * bits: with an ACL, the group bits are its mask.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "store/lpp_store.h"

#define LINKS_MAX 40
#define GROUPS_MAX 256
#define PREPARED_KEY "lpp_store_prepared"
#define NO_MEMORY "there is no memory to look at it"
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* The user that children run as. */
typedef struct user_t {
    apr_uid_t uid;
    apr_gid_t gid;
    gid_t groups[GROUPS_MAX];
    int group_count;
} user_t;

/* A directory that was prepared with this pool. */
typedef struct prepared_t {
    dev_t device;
    ino_t inode;
} prepared_t;

typedef struct walk_t {
    int fd;           /* directory reached so far, own */
    const char *rest; /* components still to go; no leading slash */
    int links;        /* followed so far */
    int as_user;      /* below a prepared directory: continue with User's
                         rights */
    int shared;       /* a group may write there */
    const user_t *user;
    const char *why;
    const char *warning; /* the first one, or NULL */
    apr_pool_t *pool;
} walk_t;

static apr_status_t refuse(walk_t *walk, apr_status_t rv, const char *why)
{
    walk->why = why;
    return rv;
}

/* The groups that httpd's children will have (as by initgroups). */
static void find_groups(user_t *user)
{
    struct passwd entry, *found = NULL;
    char text[16384];

    user->groups[0] = user->gid;
    user->group_count = 1;
    if (getpwuid_r(user->uid, &entry, text, sizeof(text), &found) == 0
        && found) {
        int count = GROUPS_MAX;

        /* -1: there are more than fit; the array is full. */
        user->group_count =
            getgrouplist(found->pw_name, user->gid, user->groups, &count) < 0
                ? GROUPS_MAX
                : count;
    }
}

static int in_groups(const user_t *user, gid_t gid)
{
    int i;

    for (i = 0; i < user->group_count; i++) {
        if (user->groups[i] == gid) {
            return 1;
        }
    }
    return 0;
}

/* Whether user may change what a directory holds, or grant itself that right.
 * In doubt, 1: with an ACL, the group bits are its mask, and any user named in
 * it may be this one. */
static int may_change(const user_t *user, int fd, const struct stat *st)
{
    if (st->st_uid == user->uid) {
        return 1;
    }
    if ((st->st_mode & S_ISVTX) && (st->st_mode & S_IWOTH)) {
        return 0; /* may add names, but not replace those of others */
    }
    if (st->st_mode & S_IWOTH) {
        return 1;
    }
    return (st->st_mode & S_IWGRP)
           && (in_groups(user, st->st_gid)
               || fgetxattr(fd, "system.posix_acl_access", NULL, 0) > 0);
}

static apr_array_header_t *prepared_of(apr_pool_t *pool)
{
    void *data = NULL;

    if (apr_pool_userdata_get(&data, PREPARED_KEY, pool) != APR_SUCCESS
        || !data) {
        data = apr_array_make(pool, 4, sizeof(prepared_t));
        apr_pool_userdata_setn(data, PREPARED_KEY, NULL, pool);
    }
    return data;
}

static int was_prepared(apr_pool_t *pool, const struct stat *st)
{
    apr_array_header_t *all = prepared_of(pool);
    int i;

    for (i = 0; i < all->nelts; i++) {
        const prepared_t *one = &APR_ARRAY_IDX(all, i, prepared_t);

        if (one->device == st->st_dev && one->inode == st->st_ino) {
            return 1;
        }
    }
    return 0;
}

/* Remember a prepared directory. 0: it was prepared before. */
static int remember(apr_pool_t *pool, int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && !was_prepared(pool, &st)) {
        prepared_t one = {st.st_dev, st.st_ino};

        APR_ARRAY_PUSH(prepared_of(pool), prepared_t) = one;
        return 1;
    }
    return 0;
}

/* Skip slashes and "." components. */
static const char *skip_nothing(const char *rest)
{
    for (;;) {
        rest += strspn(rest, "/");
        if (rest[0] != '.' || (rest[1] && rest[1] != '/')) {
            return rest;
        }
        rest++;
    }
}

/* Remove the next component from rest and return it; "": at the end, NULL: no
 * memory. */
static const char *next_component(walk_t *walk)
{
    const char *name = skip_nothing(walk->rest);
    apr_size_t len = strcspn(name, "/");

    walk->rest = skip_nothing(name + len);
    return apr_pstrmemdup(walk->pool, name, len);
}

static void go_to(walk_t *walk, int fd)
{
    close(walk->fd);
    walk->fd = fd;
}

/* Follow a link among the ancestors: put its target before rest. User cannot
 * change the directory of the link, unless that is sticky; as root, only links
 * of root are followed. */
static apr_status_t follow_link(walk_t *walk, const char *name,
                                const struct stat *st)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(walk->fd, name, target, sizeof(target) - 1);

    if (len < 0) {
        return refuse(walk, errno, "a link on the way cannot be read");
    }
    if (++walk->links > LINKS_MAX) {
        return refuse(walk, ELOOP, "there are too many links on the way");
    }
    if (geteuid() == 0 && st->st_uid != 0) {
        return refuse(walk, APR_EACCES,
                      "a link on the way to it is not root's");
    }
    target[len] = '\0';
    walk->rest =
        skip_nothing(apr_pstrcat(walk->pool, target, "/", walk->rest, NULL));
    if (target[0] == '/') {
        int fd = open("/", DIR_FLAGS);

        if (fd < 0) {
            return refuse(walk, errno, "the root directory cannot be opened");
        }
        go_to(walk, fd);
    }
    return APR_SUCCESS;
}

static void warn(walk_t *walk, const char *warning)
{
    if (!walk->warning) {
        walk->warning = warning;
    }
}

/* A sentence with the path of the current directory and what is wrong with
 * it. */
static const char *say_here(const walk_t *walk, const char *what)
{
    char link[32], target[PATH_MAX];
    ssize_t len;

    apr_snprintf(link, sizeof(link), "/proc/self/fd/%d", walk->fd);
    len = readlink(link, target, sizeof(target) - 1);
    target[len > 0 ? len : 0] = '\0';
    return apr_pstrcat(walk->pool, "the directory ", target, " above it ",
                       what, NULL);
}

/* Check whether a user other than root and User could replace a directory below
 * this ancestor. */
static apr_status_t check_others(walk_t *walk, const struct stat *st)
{
    int root = geteuid() == 0;

    if (st->st_uid != 0 && st->st_uid != walk->user->uid) {
        const char *what =
            say_here(walk, "belongs to another user, who could put another "
                           "directory in its place: use one below directories "
                           "of root alone");

        if (root) {
            return refuse(walk, APR_EACCES, what);
        }
        warn(walk, what);
    }
    if (st->st_mode & S_ISVTX) {
        return APR_SUCCESS;
    }
    if (st->st_mode & S_IWOTH) {
        return refuse(walk, APR_EACCES,
                      say_here(walk, "can be written to by everybody: take "
                                     "that right away (chmod o-w)"));
    }
    /* User's own group is assumed to have no other members. */
    if ((st->st_mode & S_IWGRP) && st->st_gid != 0
        && (root || st->st_gid != walk->user->gid)) {
        warn(walk, say_here(walk, "can be written to by its group, who could "
                                  "put another directory in its place: take "
                                  "that right away (chmod g-w)"));
    }
    return APR_SUCCESS;
}

/* Check whether a user other than root and User could put files into the
 * requested directory. */
static apr_status_t check_directory(walk_t *walk)
{
    const user_t *user = walk->user;
    struct stat st;

    if (fstat(walk->fd, &st) != 0) {
        return refuse(walk, errno, "it cannot be looked at");
    }
    if (st.st_uid != 0 && st.st_uid != user->uid) {
        return refuse(walk, APR_EACCES,
                      "it belongs to another user than root and the server's "
                      "User: give it to User (chown), or use another one");
    }
    if (st.st_mode & S_IWOTH) {
        return refuse(walk, APR_EACCES,
                      "it can be written to by everybody: take that right "
                      "away (chmod o-w)");
    }
    if (st.st_mode & S_IWGRP) {
        if (!walk->shared && (st.st_uid != 0 || st.st_gid != user->gid)) {
            return refuse(walk, APR_EACCES,
                          "it can be written to by its group: take that "
                          "right away (chmod g-w)");
        }
        warn(walk, "it can be written to by its group, who could add and "
                   "remove files: take that right away (chmod g-w), unless "
                   "all of the group are to have it");
    }
    return APR_SUCCESS;
}

/* Check the current directory before anything below it is trusted. */
static apr_status_t check_ancestor(walk_t *walk)
{
    struct stat st;

    if (fstat(walk->fd, &st) != 0) {
        return refuse(walk, errno, "a directory above it cannot be read");
    }
    if (geteuid() != 0 || walk->user->uid == 0
        || !may_change(walk->user, walk->fd, &st)) {
        return check_others(walk, &st);
    }
    if (was_prepared(walk->pool, &st)) {
        walk->as_user = 1;
        return APR_SUCCESS;
    }
    return refuse(walk, APR_EACCES,
                  "a directory above it can be changed by the server's User");
}

/* Enter component name, and create it if it is missing. last: it is the
 * requested directory. */
static apr_status_t enter(walk_t *walk, const char *name, int last)
{
    int root = geteuid() == 0, made = 0, mkdir_errno = 0;
    struct stat st;
    int fd;

    if (fstatat(walk->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
        && S_ISLNK(st.st_mode)) {
        return last ? refuse(walk, APR_EACCES, "it is a symbolic link")
                    : follow_link(walk, name, &st);
    }
    if (mkdirat(walk->fd, name, last ? 0700 : root ? 0711 : 0700) == 0) {
        made = 1;
    }
    else {
        mkdir_errno = errno;
    }
    fd = openat(walk->fd, name, DIR_FLAGS);
    if (fd < 0 && !root && !last && errno == EACCES) {
        /* A directory may be passable without being readable. */
        fd = openat(walk->fd, name,
                    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0) {
        return refuse(walk, errno == ENOENT ? mkdir_errno : errno,
                      errno == ENOENT    ? "it cannot be made"
                      : errno == ENOTDIR ? "it, or what leads to it, is no "
                                           "directory"
                                         : "it cannot be opened");
    }
    go_to(walk, fd);
    if (made && last && root
        && fchown(fd, walk->user->uid, walk->user->gid) != 0) {
        return refuse(walk, errno, "it cannot be given to the server's User");
    }
    return APR_SUCCESS;
}

/* Runs in the forked process, as User: create and enter the remaining
 * components, then check whether a file could be created. Makes system calls
 * only. */
static int try_as_user(int fd, const char *const *names, const char *path)
{
    int i;

    for (i = 0; names[i]; i++) {
        int next;

        if (mkdirat(fd, names[i], 0700) != 0 && errno != EEXIST) {
            return errno;
        }
        next = openat(fd, names[i], DIR_FLAGS);
        if (next < 0) {
            return errno;
        }
        fd = next;
    }
    /* Check by descriptor and by path, since children will open it by path. */
    if (faccessat(fd, ".", W_OK | X_OK, 0) != 0
        || access(path, W_OK | X_OK) != 0) {
        return errno;
    }
    return 0;
}

/* Run try_as_user as User. Returns the status of the first call that failed. */
static apr_status_t ask_as_user(walk_t *walk, const char *const *names,
                                const char *path)
{
    const user_t *user = walk->user;
    sigset_t all, old;
    int status = 0;
    pid_t pid;

    /* No handler of httpd may run in the child. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid == 0) {
        if (setgroups((size_t)user->group_count, user->groups) != 0
            || setgid(user->gid) != 0 || setuid(user->uid) != 0) {
            _exit(EPERM);
        }
        _exit(try_as_user(walk->fd, names, path));
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (pid < 0) {
        return refuse(walk, errno, "a process to try it could not be made");
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return refuse(walk, errno, "the process that tried it was lost");
        }
    }
    if (!WIFEXITED(status)) {
        return refuse(walk, APR_EGENERAL, "the process that tried it died");
    }
    if (WEXITSTATUS(status) != 0) {
        return refuse(walk, APR_EACCES,
                      "the server's User could not write to it");
    }
    return APR_SUCCESS;
}

/* The remaining components of the path, for try_as_user; NULL: no memory. */
static const char *const *rest_of(walk_t *walk)
{
    apr_array_header_t *names =
        apr_array_make(walk->pool, 4, sizeof(const char *));
    const char *name;

    while ((name = next_component(walk)) && *name) {
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    APR_ARRAY_PUSH(names, const char *) = NULL;
    return name ? (const char *const *)names->elts : NULL;
}

static apr_status_t check_writable(walk_t *walk, const char *path)
{
    const char *const *names = rest_of(walk);
    int i;

    for (i = 0; names && names[i]; i++) {
        if (strcmp(names[i], "..") == 0) {
            return refuse(walk, APR_EINVAL, "it has '..' in it");
        }
    }
    if (!names) {
        return refuse(walk, APR_ENOMEM, NO_MEMORY);
    }
    if (geteuid() == 0) {
        return ask_as_user(walk, names, path);
    }
    if (faccessat(walk->fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return refuse(walk, errno == EROFS ? EROFS : APR_EACCES,
                      "the server could not write to it");
    }
    return APR_SUCCESS;
}

static apr_status_t prepare(walk_t *walk, const char *path)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !walk->as_user) {
        const char *name;

        rv = check_ancestor(walk);
        if (rv != APR_SUCCESS || walk->as_user) {
            break;
        }
        name = next_component(walk);
        if (!name) {
            return refuse(walk, APR_ENOMEM, NO_MEMORY);
        }
        if (!*name) {
            break;
        }
        rv = enter(walk, name, !*walk->rest);
        if (rv == APR_SUCCESS && !*walk->rest) {
            break; /* the requested directory itself may be writable */
        }
    }
    /* Below a prepared directory, only User can change anything. */
    if (rv == APR_SUCCESS && !walk->as_user) {
        rv = check_directory(walk);
    }
    return rv == APR_SUCCESS ? check_writable(walk, path) : rv;
}

apr_status_t lpp_store_prepare(const char *path, apr_uid_t uid, apr_gid_t gid,
                               int shared, const char **why,
                               const char **warning, apr_pool_t *pool)
{
    user_t user;
    walk_t walk = {.fd = -1, .rest = "", .shared = shared, .user = &user,
                   .why = "", .pool = pool};
    apr_status_t rv;
    mode_t mask;

    *why = "";
    *warning = NULL;
    if (path[0] != '/' || !*skip_nothing(path)) {
        *why = "it is no absolute path below the root directory";
        return APR_EINVAL;
    }
    user.uid = uid;
    user.gid = gid;
    find_groups(&user);
    walk.rest = skip_nothing(path);
    walk.fd = open("/", DIR_FLAGS);
    if (walk.fd < 0) {
        *why = "the root directory cannot be opened";
        return errno;
    }
    /* So that the modes are exactly those given. At start no other thread is
     * affected. */
    mask = umask(0);
    rv = prepare(&walk, path);
    umask(mask);
    if (rv == APR_SUCCESS && !walk.as_user && !remember(pool, walk.fd)) {
        walk.warning = NULL; /* logged before, for another virtual host */
    }
    close(walk.fd);
    *why = walk.why;
    *warning = rv == APR_SUCCESS ? walk.warning : NULL;
    return rv;
}
