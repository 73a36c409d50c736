import { globalId } from "../vendor/global-id.ts";

/** One space of an account with its projects, which a project's first span creates. */
export interface Space {
  readonly id: string;
  readonly name: string;
  readonly projects: readonly Project[];
  readonly projectNamed: (name: string) => Project;
  readonly projectById: (id: string) => Project | undefined;
}

export interface Project {
  readonly id: string;
  readonly name: string;
}

/** The first project has the id that the tests' other settings name; "Model" is what Arize calls a project inside. */
export function createSpace({ id, name, projects }: { id: string; name: string; projects: readonly string[] }): Space {
  const known: Project[] = [];
  const projectNamed = (wanted: string): Project => {
    const found = known.find((project) => project.name === wanted);
    if (found !== undefined) return found;
    const created = { id: globalId("Model", 123 + known.length), name: wanted };
    known.push(created);
    return created;
  };
  for (const project of projects) projectNamed(project);
  return { id, name, projects: known, projectNamed, projectById: (wanted) => known.find((one) => one.id === wanted) };
}
