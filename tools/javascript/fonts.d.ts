declare function addProblem(text: string): void;
