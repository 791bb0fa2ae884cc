/* Which libgit2 is this? For `gitgate-inspector --versions`. */
#ifndef GITGATE_PACK_VERSION_H
#define GITGATE_PACK_VERSION_H

#define PACK_VERSION_SIZE 32

/* "1.5.1": of the library that is loaded, not of its headers. */
void pack_library_version(char out[PACK_VERSION_SIZE]);

#endif
